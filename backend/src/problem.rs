//! The failure of one request, as a response: `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use sqlx::error::{DatabaseError, ErrorKind};
use tracing::error;

/// A status and a sentence for the client.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
}

/// The result of a handler.
pub(crate) type Outcome<T> = Result<T, Problem>;

impl Problem {
    /// The request cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    /// The caller is not authenticated.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, detail: detail.into() }
    }

    /// The tenant has no such object.
    pub(crate) fn not_found() -> Self {
        Self::absent("there is no such object")
    }

    /// Something other than an object of a tenant does not exist.
    pub(crate) fn absent(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, detail: detail.into() }
    }

    /// The object is not in a state that permits this.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, detail: detail.into() }
    }

    /// The request is understood, but its content is invalid.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: detail.into() }
    }

    /// The body is over the limit.
    pub(crate) fn too_large() -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, detail: "the body is too large".to_owned() }
    }

    /// The path exists, but not with this method.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path does not know the method".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, detail }
    }

    /// The backend itself failed. The cause goes to the log, never to the client.
    pub(crate) fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        error!(error = cause, "request failed");
        let detail = "something went wrong on our side".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, detail }
    }

    /// The problem of a statement that deletes: a row that is still referred to is a conflict.
    pub(crate) fn of_deletion(error: sqlx::Error) -> Self {
        match error.as_database_error().map(DatabaseError::kind) {
            Some(ErrorKind::ForeignKeyViolation) => Self::conflict("other objects refer to this"),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    /// Translates a failed statement. The database's constraints are the rules; breaking one is the client's mistake.
    fn from(error: sqlx::Error) -> Self {
        let Some(fault) = error.as_database_error() else {
            return Self::internal(&error);
        };
        let rule = fault.constraint().map(|name| format!(" (`{name}`)")).unwrap_or_default();
        match fault.kind() {
            ErrorKind::UniqueViolation => Self::conflict(format!("it exists already{rule}")),
            ErrorKind::ForeignKeyViolation => {
                Self::unprocessable(format!("something it refers to does not exist{rule}"))
            }
            ErrorKind::NotNullViolation => {
                Self::unprocessable("something that has to be there is missing")
            }
            ErrorKind::CheckViolation => Self::unprocessable(format!("a value is not fit{rule}")),
            _ if is_unfit_value(fault) => Self::unprocessable("a value is not fit"),
            _ => Self::internal(&error),
        }
    }
}

/// Whether the database refused a value: class 22 of `PostgreSQL`'s codes ("data exception", a NUL in a text for
/// example), a datatype constraint of `SQLite`'s (3091).
fn is_unfit_value(fault: &dyn DatabaseError) -> bool {
    let Some(code) = fault.code() else { return false };
    (code.len() == 5 && code.starts_with("22")) || code == "3091"
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut answer = Response::new(Body::from(body.to_string()));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        answer
    }
}
