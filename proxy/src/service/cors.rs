//! Cross-origin requests (the Fetch standard, "CORS protocol"), if configured.

use crate::accept::Arrival;
use crate::config;

/// The fields that the gate itself reads: pages may always send them.
const READ_HERE: [&str; 5] =
    ["Authorization", "Content-Type", "X-Tenant", "X-Break-Glass", "X-Request-Id"];
/// The field that the gate itself adds to responses: pages may always read it.
const SAID_HERE: &str = "X-Request-Id";
/// The maximum number of names in `Access-Control-Expose-Headers`, including the upstream's.
const EXPOSED: usize = 256;

/// Which origins may call, which fields their pages may send, and which they may read.
#[derive(Debug, Default)]
pub(crate) struct Cors {
    origins: Option<Vec<String>>,
    /// The value of `Access-Control-Allow-Headers`.
    allowed: String,
    /// The names in `Access-Control-Expose-Headers`, without the upstream's.
    exposed: Vec<String>,
}

impl Cors {
    /// The rules of a configuration. Without one, the gate adds no CORS headers.
    pub(crate) fn new(config: Option<&config::Cors>) -> Self {
        let Some(config) = config else { return Self::default() };
        let own = |names: &[&str], more: &[String]| {
            let mut all: Vec<String> = Vec::new();
            let names = names.iter().copied().chain(more.iter().map(String::as_str));
            names.for_each(|name| add(&mut all, name));
            all
        };
        Self {
            origins: Some(config.origins.clone()),
            allowed: own(&READ_HERE, &config.allow_headers).join(", "),
            exposed: own(&[SAID_HERE], &config.expose_headers),
        }
    }

    /// Whether a request is a preflight that the gate answers itself.
    pub(crate) fn is_preflight(&self, arrival: &Arrival) -> bool {
        self.origins.is_some()
            && &*arrival.method == "OPTIONS"
            && arrival.control.origin.is_some()
            && arrival.control.preflight.is_some()
    }

    /// Whether the gate decides which origins may read responses, in place of the upstream.
    pub(crate) fn is_on(&self) -> bool {
        self.origins.is_some()
    }

    /// The CORS headers for this request's origin on a response of the gate itself.
    pub(crate) fn headers(
        &self,
        arrival: &Arrival,
        preflight: bool,
    ) -> Vec<(&'static str, String)> {
        let mut headers = self.origin_headers(arrival);
        if headers.len() < 2 {
            return headers;
        }
        if preflight {
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
            headers.push(("Access-Control-Allow-Methods", methods.to_owned()));
            headers.push(("Access-Control-Allow-Headers", self.allowed.clone()));
            headers.push(("Access-Control-Max-Age", "600".to_owned()));
        } else {
            headers.push(("Access-Control-Expose-Headers", self.exposed.join(", ")));
        }
        headers
    }

    /// The CORS headers for this request's origin on a response of the upstream. `theirs`
    /// are the values of the upstream's `Access-Control-Expose-Headers`: those names stay exposed.
    /// The gate replaces all other `Access-Control-*` fields.
    pub(crate) fn headers_with<'a>(
        &self,
        arrival: &Arrival,
        theirs: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<(&'static str, String)> {
        let mut headers = self.origin_headers(arrival);
        if headers.len() < 2 {
            return headers;
        }
        let mut exposed = self.exposed.clone();
        for value in theirs {
            for name in value.split(|byte| *byte == b',') {
                let name = std::str::from_utf8(name.trim_ascii()).unwrap_or_default();
                // With credentials `*` is not a wildcard and would expose nothing.
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                if !name.is_empty() && name.bytes().all(plain) && exposed.len() < EXPOSED {
                    add(&mut exposed, name);
                }
            }
        }
        headers.push(("Access-Control-Expose-Headers", exposed.join(", ")));
        headers
    }

    /// `Vary` and, for a listed origin, the headers that allow it.
    fn origin_headers(&self, arrival: &Arrival) -> Vec<(&'static str, String)> {
        let Some(origins) = &self.origins else { return Vec::new() };
        let mut headers = vec![("Vary", "Origin".to_owned())];
        let origin = arrival.control.origin.as_deref().and_then(|it| std::str::from_utf8(it).ok());
        if let Some(origin) = origin.filter(|it| origins.iter().any(|known| known == it)) {
            headers.push(("Access-Control-Allow-Origin", origin.to_owned()));
            headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
        }
        headers
    }
}

/// Adds a name to a list unless the list already has it in some case.
fn add(all: &mut Vec<String>, name: &str) {
    if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        all.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept::{Arrival, Control};

    const TOOLS: &str = "https://tools.example";

    fn arrival(origin: &'static str) -> Arrival {
        Arrival {
            method: "GET".into(),
            head_only: false,
            http_11: true,
            path: "/".into(),
            query: None,
            host: None,
            control: Control {
                origin: Some(bytes::Bytes::from_static(origin.as_bytes())),
                ..Control::default()
            },
            client: [127, 0, 0, 1].into(),
            user_agent: None,
            has_body: false,
            fault: None,
        }
    }

    fn cors() -> Cors {
        Cors::new(Some(&config::Cors {
            origins: vec![TOOLS.to_owned()],
            allow_headers: vec!["If-Match".to_owned(), "content-type".to_owned()],
            expose_headers: vec!["ETag".to_owned()],
        }))
    }

    fn said(headers: &[(&'static str, String)], name: &str) -> Option<String> {
        headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn what_may_be_sent_is_what_the_gate_reads_and_what_is_configured() {
        let headers = cors().headers(&arrival(TOOLS), true);
        let allowed = said(&headers, "Access-Control-Allow-Headers").unwrap();
        let all = "Authorization, Content-Type, X-Tenant, X-Break-Glass, X-Request-Id, If-Match";
        assert_eq!(allowed, all);
    }

    #[test]
    fn what_the_upstream_exposes_stays_exposed_to_a_listed_origin() {
        let exposed = |origin, theirs: &[&str]| {
            let theirs = theirs.iter().map(|value| value.as_bytes());
            let headers = cors().headers_with(&arrival(origin), theirs);
            said(&headers, "Access-Control-Expose-Headers")
        };
        assert_eq!(exposed(TOOLS, &[]).unwrap(), "X-Request-Id, ETag");
        let theirs = ["Link, etag", "X-Total-Count,,  *", "a\rb, x y, \u{e9}"];
        assert_eq!(exposed(TOOLS, &theirs).unwrap(), "X-Request-Id, ETag, Link, X-Total-Count");
        assert_eq!(exposed("https://evil.example", &theirs), None);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let long: Vec<String> = (0..1000).map(|number| format!("X-{number}")).collect();
        let headers = cors().headers_with(&arrival(TOOLS), [long.join(",").as_bytes()]);
        let exposed = said(&headers, "Access-Control-Expose-Headers").unwrap();
        assert_eq!(exposed.split(", ").count(), EXPOSED);
    }
}
