//! Notes, authorizations and service codes: resources that are a little more than their table.

use axum::{
    extract::{self, Path},
    response::Response,
};
use time::Duration;

use crate::{
    body::Fields,
    caller::{Caller, MaybeTenant, Tenant},
    clock::now,
    db::Arg,
    paging::Wanted,
    problem::{Outcome, Problem},
    resource::{assignments, created, listed, shown},
    server::State,
    tables::{SERVICE_CODES, VISIT_NOTES},
};

/// Writes a note about a visit, in the name of the caller.
pub(crate) async fn write_visit_note(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    fields: Fields,
) -> Outcome<Response> {
    let fixed = [("author_id", Arg::text(caller.user))];
    Ok(created(VISIT_NOTES.create(&state.db, &tenant.0, &fields, &fixed).await?))
}

/// Authorizations that are valid now and end within `days`, by default 30; the soonest first.
pub(crate) async fn expiring(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let today = now().date();
    let days = wanted.number("days", 30)?.clamp(0, 3650);
    let sql = "select * from authorizations where organization_id = $1 and status = 'ACTIVE' \
               and end_date >= $2 and end_date <= $3 order by end_date, id limit $4";
    let args = vec![
        Arg::text(tenant.0),
        Arg::Date(Some(today)),
        Arg::Date(Some(today.saturating_add(Duration::days(days)))),
        wanted.limit()?,
    ];
    Ok(listed(state.db.rows(sql, args).await?))
}

/// The service codes of the organisation and of the platform.
pub(crate) async fn service_codes(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let sql = "select * from service_codes where owner in ('*', $1) order by code, id \
               limit $2 offset $3";
    let args = vec![Arg::text(tenant.0), wanted.limit()?, wanted.offset()?];
    Ok(listed(state.db.rows(sql, args).await?))
}

/// Changes a service code. A service code of the platform may be changed without a tenant.
pub(crate) async fn update_service_code(
    extract::State(state): extract::State<State>,
    MaybeTenant(tenant): MaybeTenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let mut sets = SERVICE_CODES.sent(&fields)?;
    sets.push(("updated_at", Arg::time(now())));
    let mut args = vec![Arg::Text(tenant), Arg::text(id)];
    let changes = assignments(sets, &mut args);
    let sql = format!(
        "update service_codes set {changes} where (owner = '*' or owner = $1) and id = $2 \
         returning *"
    );
    let row = state.db.row(sql, args).await?;
    Ok(shown(row.ok_or_else(Problem::not_found)?))
}
