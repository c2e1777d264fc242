//! Cross-origin requests (the Fetch standard, "CORS protocol"), when they are configured.

use crate::accept::Arrival;

/// Whose pages may call.
#[derive(Debug, Default)]
pub(crate) struct Cors {
    pub(crate) origins: Option<Vec<String>>,
}

impl Cors {
    /// Whether this is a preflight, which the gate answers itself.
    pub(crate) fn is_preflight(&self, arrival: &Arrival) -> bool {
        self.origins.is_some()
            && &*arrival.method == "OPTIONS"
            && arrival.control.origin.is_some()
            && arrival.control.preflight.is_some()
    }

    /// Whether the gate says who may read its answers: then the upstream does not.
    pub(crate) fn is_on(&self) -> bool {
        self.origins.is_some()
    }

    /// The response headers for this request's origin.
    pub(crate) fn headers(
        &self,
        arrival: &Arrival,
        preflight: bool,
    ) -> Vec<(&'static str, String)> {
        let Some(origins) = &self.origins else { return Vec::new() };
        let mut headers = vec![("Vary", "Origin".to_owned())];
        let origin = arrival.control.origin.as_deref().and_then(|it| std::str::from_utf8(it).ok());
        let Some(origin) = origin.filter(|it| origins.iter().any(|known| known == it)) else {
            return headers;
        };
        headers.push(("Access-Control-Allow-Origin", origin.to_owned()));
        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
        if preflight {
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
            let fields = "Authorization, Content-Type, X-Tenant, X-Break-Glass, X-Request-Id";
            headers.push(("Access-Control-Allow-Methods", methods.to_owned()));
            headers.push(("Access-Control-Allow-Headers", fields.to_owned()));
            headers.push(("Access-Control-Max-Age", "600".to_owned()));
        } else {
            headers.push(("Access-Control-Expose-Headers", "X-Request-Id".to_owned()));
        }
        headers
    }
}
