//! Invitations, as administrators manage them. Accepting an invitation is in `auth`.

use axum::{
    extract::{self, Path},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use time::Duration;

use crate::{
    auth::{self, Joining},
    body::Fields,
    caller::{Caller, Tenant},
    clock::now,
    db::{Arg, Row, Tx, text_of},
    paging::Wanted,
    problem::{Outcome, Problem},
    resource::{Resource, assignments, created, insert, listed, new_id, shown},
    server::State,
};

const INVITATIONS: Resource = Resource {
    table: "invitations",
    writable: &["name", "roles", "enabled_features"],
    filters: &["status", "email"],
    order: "created_at desc, id desc",
    dated: true,
    kept: false,
};

/// The lifetime of an invitation.
const LIFE: Duration = Duration::days(7);

/// All invitations of the organisation.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    wanted: Wanted,
) -> Outcome<Response> {
    let rows = INVITATIONS.list(&state.db, &tenant.0, &wanted).await?;
    Ok(listed(rows.into_iter().map(|row| seen(row, None)).collect()))
}

/// Creates an invitation. There is no mail, so the response contains the token, this once. With `auto_approve` and a
/// password the account is created at once, and there is no token.
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    caller: Caller,
    tenant: Tenant,
    fields: Fields,
) -> Outcome<Response> {
    let password = approval(&fields)?;
    let token = auth::secret()?;
    let now = now();
    let mut sets = INVITATIONS.sent(&fields)?;
    sets.extend([
        ("id", Arg::text(new_id())),
        ("organization_id", Arg::text(tenant.0)),
        ("email", Arg::text(fields.required_email()?)),
        ("token_hash", Arg::text(auth::digest(&token))),
        ("invited_by", Arg::text(caller.user)),
        ("expires_at", Arg::time(now + LIFE)),
    ]);
    let password_hash = match &password {
        Some(password) => Some(state.passwords.hash(password).await?),
        None => None,
    };
    let (sql, args) = insert("invitations", sets);
    let mut tx = state.db.begin().await?;
    let row = tx.row(format!("{sql} returning *"), args).await?.ok_or_else(Problem::not_found)?;
    let answer = match password_hash {
        Some(password_hash) => approve(&mut tx, &text_of(&row, "id"), password_hash).await?,
        None => seen(row, Some(token)),
    };
    tx.commit().await?;
    Ok(created(answer))
}

/// The password of a user who joins without having to accept.
fn approval(fields: &Fields) -> Outcome<Option<String>> {
    if !fields.flag("auto_approve")? {
        return Ok(None);
    }
    let password = fields.required_text("password")?;
    auth::check_form(&password)?;
    Ok(Some(password))
}

/// Closes the invitation at once. An existing account keeps its own password and gets the roles and features.
async fn approve(tx: &mut Tx, id: &str, password_hash: String) -> Outcome<Row> {
    auth::join(tx, id, Joining { name: None, password_hash }).await?;
    let row = tx.row("select * from invitations where id = $1", vec![Arg::text(id)]).await?;
    Ok(seen(row.ok_or_else(Problem::not_found)?, None))
}

/// Changes an invitation that is still open. If the address changes, the invitation gets a new token: another person
/// has the old one.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
    fields: Fields,
) -> Outcome<Response> {
    let now = now();
    let mut sets = INVITATIONS.sent(&fields)?;
    sets.push(("updated_at", Arg::time(now)));
    let before = INVITATIONS.read(&state.db, &tenant.0, &id).await?;
    let mut token = None;
    if fields.has("email") {
        let email = fields.required_email()?;
        if email != text_of(&before, "email") {
            let fresh = auth::secret()?;
            sets.push(("token_hash", Arg::text(auth::digest(&fresh))));
            sets.push(("expires_at", Arg::time(now + LIFE)));
            token = Some(fresh);
        }
        sets.push(("email", Arg::text(email)));
    }
    let mut args = vec![Arg::text(tenant.0), Arg::text(id)];
    let changes = assignments(sets, &mut args);
    let sql = format!(
        "update invitations set {changes} where organization_id = $1 and id = $2 \
         and status = 'PENDING' returning *"
    );
    let row = state.db.row(sql, args).await?.ok_or_else(closed)?;
    Ok(shown(seen(row, token)))
}

/// Revokes an invitation that is still open.
pub(crate) async fn delete(
    extract::State(state): extract::State<State>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Outcome<Response> {
    let sql = "update invitations set status = 'REVOKED', token_hash = null, updated_at = $3 \
               where organization_id = $1 and id = $2 and status = 'PENDING'";
    let now = now();
    let args = vec![Arg::text(&tenant.0), Arg::text(&id), Arg::time(now)];
    if state.db.execute(sql, args).await? == 0 {
        INVITATIONS.read(&state.db, &tenant.0, &id).await?;
        return Err(closed());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn closed() -> Problem {
    Problem::conflict("the invitation is no longer pending")
}

/// An invitation without its hash; with its token if that was just created.
fn seen(mut row: Row, token: Option<String>) -> Row {
    row.remove("token_hash");
    if let Some(token) = token {
        row.insert("token".to_owned(), token.into());
    }
    row
}
