//! Signing in and out. This tells who a user is; what the user may do is decided elsewhere.

mod accept;
mod password;
mod session;
mod tokens;

use axum::{
    Json,
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub(crate) use self::{
    accept::{Joining, accept, join},
    password::{Passwords, check_form, hash},
    session::{login, logout, refresh},
    tokens::{Pair, TokenMaker, digest, end_families_of, next_second, read_key_set, secret},
};
use crate::{db::Row, profile};

/// The response with the tokens. `X-Audit-User-Id` tells the gate's record whose they are.
fn signed_in(user: &Row, pair: &Pair) -> Response {
    let body = json!({
        "access_token": pair.access,
        "token_type": "Bearer",
        "expires_in": tokens::ACCESS_LIFE.whole_seconds(),
        "refresh_token": pair.refresh,
        "user": Value::Object(profile::public(user)),
    });
    let mut answer = with_audit_user(Json(body).into_response(), user);
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(axum::http::header::CACHE_CONTROL, no_store);
    answer
}

/// Tells the gate's record which user a response is about.
fn with_audit_user(mut answer: Response, user: &Row) -> Response {
    let id = user.get("id").and_then(Value::as_str).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(id) {
        answer.headers_mut().insert("x-audit-user-id", value);
    }
    answer
}
