//! The users of an organisation, as its administrators manage them.

use axum::{
    extract::{self, Path},
    response::Response,
};

use crate::{
    auth,
    body::Fields,
    caller::Tenant,
    clock::now,
    db::{Arg, Row},
    paging::Wanted,
    problem::{Outcome, Problem},
    profile::public,
    resource::{Resource, assignments, listed, shown},
    server::State,
};

const USERS: Resource = Resource {
    table: "users",
    writable: &[],
    filters: &["status", "email"],
    order: "name, id",
    dated: true,
    kept: false,
};

/// All users of the organisation.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let rows = USERS.list(&state.db, &tenant.0, &wanted).await?;
    Ok(listed(rows.iter().map(public).collect()))
}

/// Sets the tools that a user may use.
pub(crate) async fn update_features(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    Ok(shown(set(&state, &tenant, &id, "enabled_features", &fields).await?))
}

/// Sets the roles of a user.
pub(crate) async fn update_roles(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    Ok(shown(set(&state, &tenant, &id, "roles", &fields).await?))
}

/// Activates or deactivates a user.
pub(crate) async fn update_status(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    Ok(shown(set(&state, &tenant, &id, "status", &fields).await?))
}

async fn set(
    state: &State,
    tenant: &Tenant,
    id: &str,
    column: &str,
    fields: &Fields,
) -> Outcome<Row> {
    let sets = vec![(column, fields.required_arg(column)?), ("updated_at", Arg::time(now()))];
    let mut args = vec![Arg::text(&tenant.0), Arg::text(id)];
    let changes = assignments(sets, &mut args);
    let sql =
        format!("update users set {changes} where organization_id = $1 and id = $2 returning *");
    let mut tx = state.db.begin().await?;
    let user = tx.row(sql, args).await?.ok_or_else(Problem::not_found)?;
    if user.get("status").is_some_and(|status| status == "INACTIVE") {
        auth::end_families_of(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(public(&user))
}
