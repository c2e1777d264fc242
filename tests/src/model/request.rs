//! What somebody may send.

use std::fmt;

use serde_json::Value;

use super::body::{Body, Content, Json};
use crate::people::Decision;

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Whose token is sent; none at all for nobody's.
    pub user: Option<String>,
    /// The method.
    pub method: String,
    /// The path, as it is sent.
    pub path: String,
    /// The pairs of the query, as they are sent.
    pub query: Vec<String>,
    /// The host; one that names no tenant when there is none.
    pub host: Option<String>,
    /// `X-Tenant`.
    pub tenant: Option<String>,
    /// `X-Break-Glass`.
    pub break_glass: Option<String>,
    /// The body.
    pub body: Option<Body>,
}

impl Request {
    /// Path and query.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query.join("&"))
        }
    }
}

impl fmt::Display for Request {
    /// As it would be sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {}", self.method, self.target())?;
        let user = self.user.as_ref().map(|user| format!("a token of {user}"));
        let kind = self.body.as_ref().map(|body| body.kind.clone());
        let fields = [
            ("Authorization", &user),
            ("Host", &self.host),
            ("X-Tenant", &self.tenant),
            ("X-Break-Glass", &self.break_glass),
            ("Content-Type", &kind),
        ];
        let sent = fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        sent.into_iter().try_for_each(|(name, value)| writeln!(f, "  {name}: {value}"))?;
        let text = self.body.as_ref().map(Body::text);
        text.map_or(Ok(()), |text| writeln!(f, "  {text:.200}"))
    }
}

impl From<&Decision> for Request {
    fn from(row: &Decision) -> Self {
        let (path, query) = row.path.split_once('?').unwrap_or((&row.path, ""));
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let writes = ["POST", "PUT", "PATCH"].contains(&row.method.as_str());
        Self {
            user: some(&row.user),
            method: row.method.clone(),
            path: path.to_owned(),
            query: query.split('&').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
            host: some(&row.host),
            tenant: some(&row.tenant),
            break_glass: some(&row.break_glass),
            body: match row.body.as_str() {
                "" => writes.then(|| Body::of(Vec::new())),
                text => Some(body(text)),
            },
        }
    }
}

fn body(text: &str) -> Body {
    match serde_json::from_str::<Value>(text).as_ref().map(Json::from) {
        Ok(Json::Object(members)) => Body::of(members),
        _ => Body { content: Content::NoObject(text.to_owned()), ..Body::of(Vec::new()) },
    }
}
