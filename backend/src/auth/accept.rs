//! Accepting an invitation: an account is created, or an existing one is given more.

use axum::{extract, http::StatusCode, response::Response};
use serde_json::Value;

use super::{check_form, signed_in, tokens};
use crate::{
    body::Fields,
    clock::now,
    db::{Arg, Row, Tx, list_of, text_of},
    problem::{Outcome, Problem},
    resource::new_id,
    server::State,
};

/// What a user who joins an organisation brings along.
#[derive(Debug)]
pub(crate) struct Joining {
    /// The name, if one was given with the acceptance.
    pub(crate) name: Option<String>,
    /// The hash of the password that a new account gets.
    pub(crate) password_hash: String,
}

/// Exchanges an invitation's token and a password for an account.
///
/// A user with an account shows its password: the token alone was seen by the inviter, too.
pub(crate) async fn accept(
    extract::State(state): extract::State<State>,
    fields: Fields,
) -> Outcome<Response> {
    let (hash, password) =
        (tokens::digest(&fields.required_text("token")?), fields.required_text("password")?);
    let name = fields.text("name")?.filter(|name| !name.trim().is_empty());
    let sql = "select * from invitations where token_hash = $1 and status = 'PENDING' and expires_at > $2";
    let args = vec![Arg::text(&hash), Arg::time(now())];
    let invitation = state.db.row(sql, args).await?.ok_or_else(closed)?;
    let email = Arg::text(text_of(&invitation, "email"));
    let account = state.db.row("select * from users where email = $1", vec![email]).await?;
    let password_hash = if let Some(account) = &account {
        let own = account.get("password_hash").and_then(Value::as_str);
        if !state.passwords.matches(&password, own).await? {
            return Err(Problem::unauthorized("the password is not that of the account"));
        }
        own.unwrap_or_default().to_owned()
    } else {
        check_form(&password)?;
        state.passwords.hash(&password).await?
    };
    let mut tx = state.db.begin().await?;
    let user = join(&mut tx, &text_of(&invitation, "id"), Joining { name, password_hash }).await?;
    let pair = state.tokens.issue(&mut tx, &user, &new_id()).await?;
    tx.commit().await?;
    let mut answer = signed_in(&user, &pair);
    if account.is_none() {
        *answer.status_mut() = StatusCode::CREATED;
    }
    Ok(answer)
}

/// Closes a pending invitation and gives its roles and features to a new account, or to the one that its e-mail
/// address has in that organisation. Returns the account.
pub(crate) async fn join(tx: &mut Tx, invitation: &str, joining: Joining) -> Outcome<Row> {
    let now = now();
    // If two accept at once, only one finds the invitation pending, and the roles that this one reads count.
    let sql = "update invitations set status = 'ACCEPTED', token_hash = null, accepted_at = $2, \
               updated_at = $2 where id = $1 and status = 'PENDING' and expires_at > $2 returning *";
    let args = vec![Arg::text(invitation), Arg::time(now)];
    let invitation = tx.row(sql, args).await?.ok_or_else(closed)?;
    let email = Arg::text(text_of(&invitation, "email"));
    let user = match tx.row("select * from users where email = $1", vec![email]).await? {
        Some(account) => grant(tx, &invitation, &account).await?,
        None => open(tx, &invitation, joining).await?,
    };
    let sql = "update invitations set accepted_by = $2 where id = $1";
    let args = vec![Arg::text(text_of(&invitation, "id")), Arg::text(text_of(&user, "id"))];
    tx.execute(sql, args).await?;
    Ok(user)
}

async fn open(tx: &mut Tx, invitation: &Row, joining: Joining) -> Outcome<Row> {
    let invited_as = invitation.get("name").and_then(Value::as_str).map(str::to_owned);
    let email = text_of(invitation, "email");
    let name = joining.name.or(invited_as).unwrap_or_else(|| email.clone());
    let sql = "insert into users \
               (id, organization_id, email, name, password_hash, roles, enabled_features) \
               values ($1, $2, $3, $4, $5, $6, $7) returning *";
    let args = vec![
        Arg::text(new_id()),
        Arg::text(text_of(invitation, "organization_id")),
        Arg::text(email),
        Arg::text(name),
        Arg::text(joining.password_hash),
        Arg::list(list_of(invitation, "roles")),
        Arg::list(list_of(invitation, "enabled_features")),
    ];
    tx.row(sql, args).await?.ok_or_else(Problem::not_found)
}

async fn grant(tx: &mut Tx, invitation: &Row, account: &Row) -> Outcome<Row> {
    let dialect = tx.dialect();
    let sql = format!(
        "update users set roles = {}, enabled_features = {}, updated_at = $5 \
         where id = $1 and organization_id = $2 and status = 'ACTIVE' returning *",
        dialect.union("roles", 3),
        dialect.union("enabled_features", 4),
    );
    let args = vec![
        Arg::text(text_of(account, "id")),
        Arg::text(text_of(invitation, "organization_id")),
        Arg::list(list_of(invitation, "roles")),
        Arg::list(list_of(invitation, "enabled_features")),
        Arg::time(now()),
    ];
    let granted = tx.row(sql, args).await?;
    granted.ok_or_else(|| Problem::conflict("the e-mail address cannot join this organization"))
}

fn closed() -> Problem {
    Problem::absent("the invitation is unknown, used, revoked or too old")
}
