//! Tenants: their master data and what they have bought.

use axum::{
    extract::{self, Path},
    response::Response,
};
use serde_json::Value;

use crate::{
    body::Fields,
    caller::Tenant,
    clock::now,
    db::{Arg, Db, Row},
    paging::Wanted,
    problem::{Outcome, Problem},
    resource::{assignments, created, insert, listed, new_id, shown},
    server::State,
};

/// The visible columns of an organisation. Its group is called `group`, as in the API.
const SEEN: &str = "id, slug, name, type, status, tier, group_id as \"group\", features, workflows, \
                    settings, branding, deleted_at, created_at, updated_at";
const CREATABLE: [&str; 6] = ["name", "slug", "type", "tier", "settings", "branding"];
const WRITABLE: [&str; 9] =
    ["name", "slug", "type", "tier", "settings", "branding", "status", "workflows", "deleted_at"];

/// The organisation with this id, if there is one.
pub(crate) async fn find(db: &Db, id: &str) -> Outcome<Option<Row>> {
    let sql = format!("select {SEEN} from organizations where id = $1");
    Ok(db.row(sql, vec![Arg::text(id)]).await?)
}

/// All organisations.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    wanted: Wanted,
) -> Outcome<Response> {
    let sql = format!("select {SEEN} from organizations order by slug limit $1 offset $2");
    Ok(listed(state.db.rows(sql, vec![wanted.limit()?, wanted.offset()?]).await?))
}

/// Creates an organisation.
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    fields: Fields,
) -> Outcome<Response> {
    let mut sets = sent(&fields, &CREATABLE)?;
    sets.push(("id", Arg::text(new_id())));
    let mut tx = state.db.begin().await?;
    if let Some(group) = group(&fields)? {
        tx.execute(KNOW_GROUP, vec![group.clone()]).await?;
        sets.push(("group_id", group));
    }
    let (sql, args) = insert("organizations", sets);
    let row = tx.row(format!("{sql} returning {SEEN}"), args).await?;
    tx.commit().await?;
    Ok(created(row.ok_or_else(Problem::not_found)?))
}

/// One organisation.
pub(crate) async fn read(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let found = find(&state.db, &own(tenant, &id)?).await?;
    Ok(shown(found.ok_or_else(Problem::not_found)?))
}

/// Changes an organisation.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let mut args = vec![Arg::text(own(tenant, &id)?)];
    let mut sets = sent(&fields, &WRITABLE)?;
    sets.push(("updated_at", Arg::time(now())));
    let mut tx = state.db.begin().await?;
    if let Some(group) = group(&fields)? {
        if matches!(group, Arg::Text(Some(_))) {
            tx.execute(KNOW_GROUP, vec![group.clone()]).await?;
        }
        sets.push(("group_id", group));
    }
    let changes = assignments(sets, &mut args);
    let sql = format!("update organizations set {changes} where id = $1 returning {SEEN}");
    let row = tx.row(sql, args).await?;
    tx.commit().await?;
    Ok(shown(row.ok_or_else(Problem::not_found)?))
}

/// Changes what an organisation has bought. Features that are not named stay as they are.
pub(crate) async fn update_features(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let features = fields.required_arg("features")?;
    let Arg::Object(Some(members)) = &features else {
        return Err(Problem::unprocessable("`features` is not an object"));
    };
    if !members.values().all(Value::is_boolean) {
        return Err(Problem::unprocessable("`features` holds something that is not a boolean"));
    }
    let merged = state.db.dialect().merge("features", 2);
    let sql = format!(
        "update organizations set features = {merged}, updated_at = $3 where id = $1 returning {SEEN}"
    );
    let now = Arg::time(now());
    let row = state.db.row(sql, vec![Arg::text(own(tenant, &id)?), features, now]).await?;
    Ok(shown(row.ok_or_else(Problem::not_found)?))
}

const KNOW_GROUP: &str =
    "insert into organization_groups (id) values ($1) on conflict (id) do nothing";

/// An organisation owns itself: the tenant of the request is the only one there is.
fn own(tenant: Tenant, id: &str) -> Outcome<String> {
    if tenant.0 == id { Ok(tenant.0) } else { Err(Problem::not_found()) }
}

fn group(fields: &Fields) -> Outcome<Option<Arg>> {
    if fields.has("group") { Ok(Some(Arg::Text(fields.text("group")?))) } else { Ok(None) }
}

fn sent<'c>(fields: &Fields, known: &[&'c str]) -> Outcome<Vec<(&'c str, Arg)>> {
    let named = known.iter().filter(|column| fields.has(column));
    named.map(|column| Ok((*column, fields.arg(column)?))).collect()
}
