//! The health check.

use axum::{Json, extract};
use serde_json::{Value, json};

use crate::{problem::Outcome, server::State};

/// Responds with success if the database does.
pub(crate) async fn read(extract::State(state): extract::State<State>) -> Outcome<Json<Value>> {
    state.db.rows("select 1", Vec::new()).await?;
    Ok(Json(json!({ "status": "ok" })))
}
