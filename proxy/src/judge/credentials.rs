//! Finds the token of a request: in `Authorization`, or in a cookie if one is configured.

use std::sync::Arc;

use crate::accept::{Arrival, Malformed};
use crate::judge::identify::{self, VerifiedToken, Verifier};
use crate::judge::refusal::Refusal;

/// The cookie that may carry a token, and the origins whose pages may send that cookie with unsafe methods.
#[derive(Debug, Clone)]
pub(crate) struct CookieRules {
    pub(crate) name: String,
    pub(crate) origins: Vec<String>,
}

/// Verifies the token of a request. A token with an unknown key waits until its
/// issuer's keys were looked for.
///
/// # Errors
///
/// Fails if the token is missing or invalid, or came in a cookie from a page of another site.
pub(crate) async fn identify(
    verifier: &Verifier,
    arrival: &Arrival,
    cookie: Option<&CookieRules>,
    now: f64,
) -> Result<Arc<VerifiedToken>, Refusal> {
    if let (None, Some(rules)) = (&arrival.control.authorization, cookie) {
        let cookies = arrival.control.cookies.iter().map(AsRef::as_ref);
        let token = identify::cookie_token(cookies, &rules.name)
            .map_err(|_| Malformed::Request("the cookie with the token came twice"))?;
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            let known = verifier.identify(token, now).await?;
            let safe = matches!(&*arrival.method, "GET" | "HEAD" | "OPTIONS");
            if safe || same_site(arrival, &rules.origins) {
                return Ok(known);
            }
            return Err(Refusal::ForeignOrigin);
        }
    }
    let token = identify::bearer(arrival.control.authorization.as_deref())?;
    Ok(verifier.identify(token, now).await?)
}

/// Whether, according to the browser, the request was made by a page of the same origin or of a listed one.
fn same_site(arrival: &Arrival, origins: &[String]) -> bool {
    let control = &arrival.control;
    if control.fetch_site.as_deref() == Some(b"same-origin") {
        return true;
    }
    let Some(origin) = control.origin.as_deref().and_then(|it| std::str::from_utf8(it).ok()) else {
        return false;
    };
    let host = arrival.host.as_ref().map(|host| host.raw.to_ascii_lowercase());
    let authority = origin.split_once("://").map(|(_, authority)| authority.to_ascii_lowercase());
    origins.iter().any(|known| known == origin) || (host.is_some() && host == authority)
}
