//! Responses of the gate itself: problem details (RFC 9457), redirects, preflights.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{Arrival, Persistence};
use crate::http::date;
use crate::judge::refusal::Answer;

/// The methods that the gate serves.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The redirect targets for denied browsers.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    pub(crate) unauthenticated: Option<String>,
    pub(crate) outside_boundary: Option<String>,
}

impl Redirects {
    /// The redirect target if this request is a browser's navigation and this denial has one. The target contains
    /// no part of the request.
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

/// A response of the gate itself.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
}

impl Reply {
    /// The response to a preflight (204), with these headers.
    pub(crate) fn preflight(headers: Vec<(&'static str, String)>, id: Uuid) -> Self {
        let mut reply = Self { status: 204, headers, body: None };
        reply.headers.push(("X-Request-Id", id.to_string()));
        reply
    }

    /// A redirect (302) to `place`.
    pub(crate) fn redirect(place: &str, id: Uuid) -> Self {
        let headers = vec![
            ("Location", place.to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Request-Id", id.to_string()),
        ];
        Self { status: 302, headers, body: None }
    }

    /// A denial as problem details.
    pub(crate) fn problem(answer: &Answer, id: Uuid) -> Self {
        let mut headers = vec![
            ("Content-Type", "application/problem+json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Request-Id", id.to_string()),
        ];
        match answer.status {
            401 => {
                // RFC 6750, 3.1: without a token in the request, the challenge has no error code.
                let sent = &*answer.reason != "token_missing";
                let error = if sent { ", error=\"invalid_token\"" } else { "" };
                headers.push(("WWW-Authenticate", format!("Bearer realm=\"cedargate\"{error}")));
            }
            405 => headers.push(("Allow", ALLOW.to_owned())),
            429 | 503 => headers.push(("Retry-After", "1".to_owned())),
            _ => {}
        }
        let body = json!({
            "type": "about:blank",
            "title": title(answer.status).unwrap_or("Error"),
            "status": answer.status,
            "detail": &*answer.detail,
            "reason": &*answer.reason,
            "request_id": id.to_string(),
        });
        Self { status: answer.status, headers, body: Some(body.to_string()) }
    }

    fn length(&self) -> usize {
        self.body.as_ref().map_or(0, String::len)
    }

    /// Formats the response as HTTP/1.1, with `at` as its `Date`.
    pub(crate) fn spell(
        &self,
        head_only: bool,
        persistence: Persistence,
        at: OffsetDateTime,
    ) -> BytesMut {
        let mut out = BytesMut::with_capacity(512 + self.length());
        let title = title(self.status).unwrap_or_default();
        // The buffer grows: writing to it cannot fail.
        let _ok = write!(out, "HTTP/1.1 {} {title}\r\nDate: {}\r\n", self.status, date::spell(at));
        for (name, value) in &self.headers {
            let _ok = write!(out, "{name}: {value}\r\n");
        }
        if self.status != 204 {
            let _ok = write!(out, "Content-Length: {}\r\n", self.length());
        }
        if let Some(word) = persistence.word() {
            let _ok = write!(out, "Connection: {word}\r\n");
        }
        out.put_slice(b"\r\n");
        if let Some(body) = self.body.as_ref().filter(|_| !head_only) {
            out.put_slice(body.as_bytes());
        }
        out
    }
}

fn title(status: u16) -> Option<&'static str> {
    http::StatusCode::from_u16(status).ok()?.canonical_reason()
}
