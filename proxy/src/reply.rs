//! What the gate answers by itself: problem details (RFC 9457), redirects, preflights.

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use serde_json::json;
use uuid::Uuid;

use crate::accept::Arrival;
use crate::refusal::Answer;

/// The methods that are served at all.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Where browsers are sent that are denied.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    pub(crate) unauthenticated: Option<String>,
    pub(crate) outside_boundary: Option<String>,
}

impl Redirects {
    /// The place for this answer to this request: a browser's navigation that is denied. Nothing
    /// of the request is in it.
    pub(crate) fn place(&self, arrival: &Arrival, answer: &Answer) -> Option<&str> {
        let accept = arrival.control.accept.as_deref().unwrap_or_default();
        let html = accept.split(|byte| *byte == b',').any(|part| {
            let kind = part.split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
        });
        if !html || &*arrival.method != "GET" {
            return None;
        }
        match (answer.status, &*answer.reason) {
            (401, _) => self.unauthenticated.as_deref(),
            (_, "outside_boundary") => self.outside_boundary.as_deref(),
            _ => None,
        }
    }
}

/// Writes a response of the gate's own.
pub(crate) async fn write(
    session: &mut Session,
    status: u16,
    headers: &[(&'static str, String)],
    body: Option<String>,
    head_only: bool,
) -> pingora::Result<()> {
    let mut response = ResponseHeader::build(status, Some(headers.len() + 4))?;
    for (name, value) in headers {
        response.append_header(*name, value)?;
    }
    let length = body.as_ref().map_or(0, String::len);
    if status != 204 {
        response.insert_header("Content-Length", length)?;
    }
    let ends = head_only || length == 0;
    session.write_response_header(Box::new(response), ends).await?;
    if let Some(body) = body.filter(|_| !ends) {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    Ok(())
}

/// The headers of a redirect.
pub(crate) fn redirect(place: &str, id: Uuid) -> Vec<(&'static str, String)> {
    vec![
        ("Location", place.to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        ("X-Request-Id", id.to_string()),
    ]
}

/// The headers and the body of a denial.
pub(crate) fn problem(answer: &Answer, id: Uuid) -> (Vec<(&'static str, String)>, String) {
    let mut headers = vec![
        ("Content-Type", "application/problem+json".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        ("X-Request-Id", id.to_string()),
    ];
    match answer.status {
        401 => {
            // RFC 6750, 3.1: where no token was sent, nothing is said of one.
            let sent = &*answer.reason != "token_missing";
            let error = if sent { ", error=\"invalid_token\"" } else { "" };
            headers.push(("WWW-Authenticate", format!("Bearer realm=\"cedargate\"{error}")));
        }
        405 => headers.push(("Allow", ALLOW.to_owned())),
        429 | 503 => headers.push(("Retry-After", "1".to_owned())),
        _ => {}
    }
    let title = http::StatusCode::from_u16(answer.status).ok().and_then(|it| it.canonical_reason());
    let body = json!({
        "type": "about:blank",
        "title": title.unwrap_or("Error"),
        "status": answer.status,
        "detail": &*answer.detail,
        "reason": &*answer.reason,
        "request_id": id.to_string(),
    });
    (headers, body.to_string())
}
