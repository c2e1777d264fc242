//! The gate's records of a tenant, newest first.

use axum::{
    Json, extract,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    caller::Tenant,
    db::{Arg, Conditions, Row, text_of},
    paging::Wanted,
    problem::{Outcome, Problem},
    server::State,
};

/// The columns that a query may filter by.
const FILTERS: [&str; 8] = [
    "user_id",
    "action",
    "operation",
    "event_type",
    "decision",
    "reason",
    "resource_type",
    "resource_id",
];

/// A page of records. `next` of one page is `before` of the next. `since` (inclusive) and `until` (exclusive) bound
/// their time, `break_glass=true` selects those with a justification.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let mut conditions = Conditions::default();
    conditions.equals("tenant_id", &tenant.0);
    for (column, value) in FILTERS.iter().filter_map(|f| Some((*f, wanted.get(f)?))) {
        conditions.equals(column, value);
    }
    if wanted.flag("break_glass")? {
        conditions.holds("break_glass is not null");
    }
    for (name, comparison) in [("since", ">="), ("until", "<")] {
        if let Some(at) = wanted.moment(name)? {
            let at = conditions.arg(state.db.dialect().micros(at));
            conditions.holds(format!("timestamp {comparison} {at}"));
        }
    }
    if let Some(cursor) = wanted.get("before") {
        let (id, phase) = cursor
            .rsplit_once('.')
            .ok_or_else(|| Problem::bad_request("`before` is not the `next` of a page"))?;
        let (id, phase) = (conditions.arg(Arg::text(id)), conditions.arg(Arg::text(phase)));
        conditions.holds(format!("(id, phase) < ({id}, {phase})"));
    }
    let limit = conditions.arg(wanted.limit()?);
    let (conditions, args) = conditions.finish();
    // Ids sort by time, and unlike times, no two records of a phase share one.
    let sql = format!(
        "select * from audit_logs where {conditions} order by id desc, phase desc limit {limit}"
    );
    let rows = state.db.rows(sql, args).await?;
    let next = rows.last().map(cursor_of);
    Ok(Json(json!({ "items": rows, "next": next })).into_response())
}

fn cursor_of(row: &Row) -> String {
    format!("{}.{}", text_of(row, "id"), text_of(row, "phase"))
}
