//! Parses a token (RFC 7515, RFC 7519) strictly: a token that two readers could read differently is
//! malformed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Unidentified, VerifiedToken};
use crate::config::Issuer;
use crate::judge::strict_json;

/// The maximum `NumericDate`: beyond it, a double cannot hold every second.
const LAST_DATE: f64 = 9_007_199_254_740_992.0;
const LAST_WHOLE_DATE: u64 = 1 << 53;
/// The maximum length of a `jti`, in bytes.
const LONGEST_ID: usize = 256;

/// The three parts of a token.
pub(super) struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    /// The third part, encoded.
    pub(super) signature: &'a str,
    /// The text that the signature covers: the first two parts.
    pub(super) signed: &'a str,
}

/// The parts of the header that matter.
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
}

/// The claims: the payload.
pub(super) struct Claims(Map<String, Value>);

const fn malformed(problem: &'static str) -> Unidentified {
    Unidentified::Malformed(problem)
}

impl<'a> Parts<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, Unidentified> {
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(malformed("not three parts"))?;
        if payload.contains('.') {
            return Err(malformed("not three parts"));
        }
        // Decoded to check its form only: with padding or trailing bits, a second token would have the same content.
        decoded(signature)?;
        Ok(Self { header, payload, signature, signed })
    }

    pub(super) fn header(&self) -> Result<Header, Unidentified> {
        let header = object(self.header)?;
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(malformed("its header has `crit` or `b64`"));
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(kind)) if is_known_type(kind) => {}
            Some(_) => return Err(malformed("its `typ` is another")),
        }
        let Some(Value::String(algorithm)) = header.get("alg") else {
            return Err(malformed("its header has no `alg`"));
        };
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(malformed("its `kid` is no string")),
        };
        Ok(Header { algorithm: algorithm.clone(), key_id })
    }

    pub(super) fn claims(&self) -> Result<Claims, Unidentified> {
        object(self.payload).map(Claims)
    }
}

impl Claims {
    pub(super) fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The issuer (`iss`).
    pub(super) fn issuer(&self) -> Result<&str, Unidentified> {
        self.text("iss").ok_or(malformed("it has no `iss`"))
    }

    /// The audiences: `aud`, or the claim that replaces it if the issuer's tokens have no `aud`. A token of
    /// such an issuer that has an `aud` is of another kind, and for another audience.
    pub(super) fn audiences(&self, instead: Option<&str>) -> Result<Vec<&str>, Unidentified> {
        const FAULT: Unidentified = malformed("it does not say whom it is for");
        if instead.is_some() && self.0.contains_key("aud") {
            return Err(Unidentified::Audience);
        }
        match self.0.get(instead.unwrap_or("aud")) {
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(several)) if !several.is_empty() => {
                several.iter().map(Value::as_str).collect::<Option<_>>().ok_or(FAULT)
            }
            _ => Err(FAULT),
        }
    }

    /// The verified claims, with the claim `subject_claim` of the issuer as the user id.
    pub(super) fn verified(&self, issuer: &Arc<Issuer>) -> Result<VerifiedToken, Unidentified> {
        let jti = match self.0.get("jti") {
            None => None,
            Some(Value::String(id)) if id.len() <= LONGEST_ID && !id.contains(char::is_control) => {
                Some(Arc::from(id.as_str()))
            }
            Some(_) => return Err(malformed("its `jti` is no short string")),
        };
        let subject = self.text(&issuer.subject_claim);
        let subject = subject.filter(|it| !it.is_empty() && !it.contains(char::is_control));
        Ok(VerifiedToken {
            subject: Arc::from(subject.ok_or(malformed("it does not say whom it is about"))?),
            jti,
            issued_at: self.date("iat")?,
            expires_at: self.date("exp")?.ok_or(malformed("it has no `exp`"))?,
            not_before: self.date("nbf")?,
            issuer: Some(Arc::clone(issuer)),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn date(&self, name: &str) -> Result<Option<f64>, Unidentified> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        // 2^53 + 1 is the same double as 2^53.
        if value.as_u64().is_some_and(|date| date > LAST_WHOLE_DATE) {
            return Err(malformed("a date is none"));
        }
        let date = value.as_f64().filter(|date| (0.0..=LAST_DATE).contains(date));
        date.map(Some).ok_or(malformed("a date is none"))
    }
}

/// Whether a media type is that of an access token (RFC 9068, 4) or of any JWT. RFC 7515, 4.1.9, allows
/// leaving out `application/` if the rest has no slash.
fn is_known_type(kind: &str) -> bool {
    let known = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];
    known.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

fn decoded(part: &str) -> Result<Vec<u8>, Unidentified> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("not base64url without padding"))
}

fn object(part: &str) -> Result<Map<String, Value>, Unidentified> {
    strict_json::parse_object(&decoded(part)?)
        .map_err(|_| malformed("not a JSON object without duplicate members"))
}
