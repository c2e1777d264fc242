//! The caller's own account.

use axum::{extract, response::Response};
use serde_json::Value;

use crate::{
    auth,
    body::Fields,
    caller::Caller,
    clock::now,
    db::{Arg, Row, Tx, text_of},
    organizations,
    problem::{Outcome, Problem},
    resource::{assignments, shown},
    server::State,
};

/// An account without its secrets.
pub(crate) fn public(user: &Row) -> Row {
    let mut seen = user.clone();
    for secret in ["password_hash", "tokens_valid_after"] {
        seen.remove(secret);
    }
    seen
}

/// The caller's account, with the organisation it belongs to.
pub(crate) async fn read(
    extract::State(state): extract::State<State>,
    caller: Caller,
) -> Outcome<Response> {
    let sql = "select * from users where id = $1";
    let user = state.db.row(sql, vec![Arg::text(caller.user)]).await?;
    let mut seen = public(&user.ok_or_else(Problem::not_found)?);
    let own = organizations::find(&state.db, &text_of(&seen, "organization_id")).await?;
    seen.insert("organization".to_owned(), own.map_or(Value::Null, Value::Object));
    Ok(shown(seen))
}

/// Changes the caller's name, locale or password.
pub(crate) async fn update(
    extract::State(state): extract::State<State>,
    caller: Caller,
    fields: Fields,
) -> Outcome<Response> {
    let mut sets = vec![("updated_at", Arg::time(now()))];
    for column in ["name", "locale"] {
        if fields.has(column) {
            sets.push((column, Arg::text(fields.required_text(column)?)));
        }
    }
    let password = fields.text("password")?;
    if let Some(password) = &password {
        auth::check_form(password)?;
        sets.push(("password_hash", Arg::text(state.passwords.hash(password).await?)));
        sets.push(("tokens_valid_after", Arg::time(auth::next_second())));
    }
    let mut tx = state.db.begin().await?;
    let user = change(&mut tx, &caller.user, sets).await?;
    if password.is_some() {
        auth::end_families_of(&mut tx, &caller.user).await?;
    }
    tx.commit().await?;
    Ok(shown(public(&user)))
}

async fn change(tx: &mut Tx, id: &str, sets: Vec<(&str, Arg)>) -> Outcome<Row> {
    let mut args = vec![Arg::text(id)];
    let changes = assignments(sets, &mut args);
    let sql = format!("update users set {changes} where id = $1 returning *");
    tx.row(sql, args).await?.ok_or_else(Problem::not_found)
}
