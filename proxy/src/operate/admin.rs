//! The admin listener: liveness, readiness, metrics, status and reload.
//!
//! It has an address of its own, on loopback by default. It knows the rest of the gate only as a
//! [`Probe`]. Access is checked once, before any route.

mod access;
mod listener;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

use listener::Listener;

/// The timeout of the checks of `/readyz`.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of a part: `Ok` with a warning, if any, or the reason why the part does not work.
pub(crate) type Check = Result<Option<String>, String>;

/// The gate, as the admin listener sees it.
#[async_trait]
pub(crate) trait Probe: Send + Sync + 'static {
    /// The states of the parts that requests need: `policies`, `facts`, `audit`, `keys` and `tasks`.
    async fn ready(&self) -> Vec<(&'static str, Check)>;

    /// Whether the gate is shutting down.
    fn draining(&self) -> bool;

    /// The body of `/status`.
    fn status(&self) -> Value;

    /// Reloads the policies. In an emergency they are put in force whatever admission finds.
    ///
    /// # Errors
    ///
    /// Fails if the reload itself panics.
    async fn reload(&self, emergency: bool) -> Result<ReloadOutcome, String>;

    /// The key set with the public half of the assertion key, if assertions are configured.
    fn assertion_jwks(&self) -> Option<Value>;
}

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub(crate) enum ReloadOutcome {
    /// A new bundle is in force.
    Applied {
        /// The digest of the bundle.
        digest: String,
        /// The generation of the bundle: its number in this process.
        generation: u64,
        /// The findings about the bundle that did not prevent its admission.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Value>,
        /// The findings that an emergency reload has overridden.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        overridden: Vec<Value>,
    },
    /// The folder has the bundle that is already in force.
    Unchanged {
        /// The digest of the bundle.
        digest: String,
        /// The generation of the bundle: its number in this process.
        generation: u64,
    },
    /// The new bundle is invalid or not admitted; the last good one stays in force.
    Rejected {
        /// The findings about the new bundle, each a text or an object.
        findings: Vec<Value>,
    },
}

/// The state that the admin listener answers from.
#[derive(Clone)]
pub(crate) struct AdminState {
    /// The gate.
    pub probe: Arc<dyn Probe>,
    /// The gate's metrics.
    pub metrics: Arc<Metrics>,
    /// The hosts besides loopback under which the listener answers: `admin_hosts`, with or without a port.
    pub hosts: Arc<[String]>,
    /// The file with the token for requests that change something: `admin.token_file`.
    pub token_file: Option<PathBuf>,
    /// The timeout of a request head: `limits.header_timeout`.
    pub header_timeout: Duration,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState")
            .field("hosts", &self.hosts)
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

/// Serves `listener` until `stop` completes, then gives the connections a second
/// to end.
pub(crate) async fn serve(
    listener: TcpListener,
    state: AdminState,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let header_timeout = state.header_timeout;
    Listener::new(router(state), header_timeout).serve(listener, stop).await;
}

fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/reload", post(reload))
        .route("/.well-known/jwks.json", get(jwks))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state.clone(), access::guard))
        .with_state(state)
}

async fn livez() -> Json<Value> {
    Json(json!({"alive": true}))
}

async fn readyz(State(state): State<AdminState>) -> Response {
    let draining = state.probe.draining();
    let checked = tokio::time::timeout(PATIENCE, state.probe.ready()).await;
    let results = checked.unwrap_or_else(|_elapsed| {
        vec![("checks", Err("the checks did not end in time".to_owned()))]
    });
    let ready = !draining && results.iter().all(|(_, result)| result.is_ok());
    let mut checks = Map::new();
    for (name, result) in results {
        let said = match result {
            Ok(None) => json!({"ok": true}),
            Ok(Some(warning)) => json!({"ok": true, "warning": warning}),
            Err(error) => json!({"ok": false, "error": error}),
        };
        checks.insert(name.to_owned(), said);
    }
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({"ready": ready, "draining": draining, "checks": checks});
    (code, Json(body)).into_response()
}

async fn metrics(State(state): State<AdminState>) -> Response {
    match state.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => internal("metrics cannot be spelled", &error),
    }
}

async fn status(State(state): State<AdminState>) -> Json<Value> {
    Json(state.probe.status())
}

async fn reload(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let emergency = match query.as_deref() {
        None | Some("" | "emergency=false") => false,
        Some("emergency=true") => true,
        Some(_) => {
            let detail = "The query may only be `emergency=true` or `emergency=false`";
            return problem(StatusCode::BAD_REQUEST, "query_invalid", detail);
        }
    };
    // In a separate task, so that a client that disconnects does not cancel the reload halfway.
    let reloaded = tokio::spawn(async move { state.probe.reload(emergency).await }).await;
    match reloaded {
        Ok(Ok(outcome @ ReloadOutcome::Rejected { .. })) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(outcome)).into_response()
        }
        Ok(Ok(outcome)) => Json(outcome).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error, "policies cannot be read again");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "reload_failed", &error)
        }
        Err(panic) => internal("a reload ended without an answer", &panic),
    }
}

async fn jwks(State(state): State<AdminState>) -> Response {
    match state.probe.assertion_jwks() {
        Some(keys) => Json(keys).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not_found", "Assertions are not configured"),
    }
}

async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
}

async fn method_not_allowed() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This is not asked with this method",
    )
}

/// An error as problem details (RFC 9457).
fn problem(code: StatusCode, reason: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": code.canonical_reason().unwrap_or("Error"),
        "status": code.as_u16(),
        "detail": detail,
        "reason": reason,
    });
    let mut response = (code, Json(body)).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "{what}");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is wrong with the gate")
}

#[cfg(test)]
mod tests;
