//! Whether the backend can do its work.

use axum::{Json, extract};
use serde_json::{Value, json};

use crate::{problem::Outcome, server::State};

/// Answers when the database does.
pub(crate) async fn read(extract::State(state): extract::State<State>) -> Outcome<Json<Value>> {
    state.db.rows("select 1", Vec::new()).await?;
    Ok(Json(json!({ "status": "ok" })))
}
