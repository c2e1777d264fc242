//! `login`, `refresh` and `logout`.

use axum::{
    extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{signed_in, tokens, with_audit_user};
use crate::{
    body::Fields,
    caller::{Caller, TokenId},
    clock::now,
    db::{Arg, Row, Tx, text_of},
    problem::{Outcome, Problem},
    resource::new_id,
    server::State,
};

/// How long a revoked token is remembered whose lifetime is unknown, because another issuer made it.
const FOREIGN_LIFE: Duration = Duration::days(400);

/// Exchanges an e-mail address and a password for tokens.
///
/// An unknown address, a wrong password and an inactive account get the same response, and take one comparison of
/// passwords each.
pub(crate) async fn login(
    extract::State(state): extract::State<State>,
    fields: Fields,
) -> Outcome<Response> {
    let (email, password) = (fields.required_email()?, fields.required_text("password")?);
    let user = state.db.row("select * from users where email = $1", vec![Arg::text(email)]).await?;
    let hash = user.as_ref().and_then(|user| user.get("password_hash")).and_then(Value::as_str);
    let matches = state.passwords.matches(&password, hash).await?;
    let Some(user) = user.filter(|user| matches && is_active(user)) else {
        return Err(refused());
    };
    let mut tx = state.db.begin().await?;
    // The comparison took a while: the account must not have changed meanwhile.
    let sql = "select * from users where id = $1 and password_hash = $2 and status = 'ACTIVE'";
    let args = vec![Arg::text(text_of(&user, "id")), Arg::text(text_of(&user, "password_hash"))];
    let user = tx.row(sql, args).await?.ok_or_else(refused)?;
    let sql = "delete from refresh_tokens where user_id = $1 and expires_at < $2";
    let args = vec![Arg::text(text_of(&user, "id")), Arg::time(now())];
    tx.execute(sql, args).await?;
    let pair = state.tokens.issue(&mut tx, &user, &new_id()).await?;
    tx.commit().await?;
    Ok(signed_in(&user, &pair))
}

/// Exchanges a refresh token for new tokens. Each refresh token works once.
pub(crate) async fn refresh(
    extract::State(state): extract::State<State>,
    fields: Fields,
) -> Outcome<Response> {
    let hash = tokens::digest(&fields.required_text("refresh_token")?);
    let mut tx = state.db.begin().await?;
    let now = now();
    let sql = "update refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null \
               and revoked_at is null and expires_at > $2 \
               and not exists (select 1 from revoked_tokens r where r.jti = refresh_tokens.jti) \
               returning *";
    let token = tx.row(sql, vec![Arg::text(&hash), Arg::time(now)]).await?;
    let user = match &token {
        Some(token) => owner(&mut tx, token).await?,
        None => None,
    };
    let (Some(token), Some(user)) = (token, user) else {
        end_family_of(&mut tx, &hash).await?;
        tx.commit().await?;
        return Err(Problem::unauthorized("the refresh token is not valid"));
    };
    let pair = state.tokens.issue(&mut tx, &user, &text_of(&token, "family")).await?;
    tx.commit().await?;
    Ok(signed_in(&user, &pair))
}

/// The user of a refresh token, if the token is still valid for that user.
async fn owner(tx: &mut Tx, token: &Row) -> Outcome<Option<Row>> {
    let id = Arg::text(text_of(token, "user_id"));
    let user = tx.row("select * from users where id = $1", vec![id]).await?;
    let issued = OffsetDateTime::parse(&text_of(token, "created_at"), &Rfc3339).ok();
    Ok(user.filter(|user| {
        is_active(user) && tokens::valid_after(user).is_none_or(|from| issued >= Some(from))
    }))
}

/// Ends the family of a refresh token that is not valid: used before, revoked, or too old.
async fn end_family_of(tx: &mut Tx, hash: &str) -> Outcome<()> {
    let sql = "select family from refresh_tokens where token_hash = $1";
    if let Some(row) = tx.row(sql, vec![Arg::text(hash)]).await? {
        tokens::end_family(tx, &text_of(&row, "family")).await?;
    }
    Ok(())
}

/// Ends the access token that the request came with, and the sign-in to which it belongs.
pub(crate) async fn logout(
    extract::State(state): extract::State<State>,
    caller: Caller,
    TokenId(jti): TokenId,
) -> Outcome<Response> {
    let mut tx = state.db.begin().await?;
    tokens::forget_expired(&mut tx).await?;
    let sql = "select family from refresh_tokens where jti = $1 and user_id = $2";
    let args = vec![Arg::text(&jti), Arg::text(&caller.user)];
    if let Some(row) = tx.row(sql, args).await? {
        tokens::end_family(&mut tx, &text_of(&row, "family")).await?;
    }
    let sql = "insert into revoked_tokens (jti, user_id, expires_at) values ($1, $2, $3) \
               on conflict (jti) do nothing";
    let until = now() + FOREIGN_LIFE;
    tx.execute(sql, vec![Arg::text(jti), Arg::text(&caller.user), Arg::time(until)]).await?;
    tx.commit().await?;
    let mut user = Row::new();
    user.insert("id".to_owned(), Value::from(caller.user));
    Ok(with_audit_user(StatusCode::NO_CONTENT.into_response(), &user))
}

fn refused() -> Problem {
    Problem::unauthorized("the e-mail address or the password is wrong")
}

fn is_active(user: &Row) -> bool {
    text_of(user, "status") == "ACTIVE"
}
