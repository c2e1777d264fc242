//! Stage 7 of 7: forward.
//!
//! Takes a [`Recorded`] permit and the [`Arrival`]; gives what the upstream's head has besides the
//! fields that passed the hygiene: the target that was judged, and the identity that the database
//! implies.

use std::fmt::Write as _;
use std::sync::Arc;

use pingora::http::RequestHeader;

use crate::accept::Arrival;
use crate::assertion::{AssertionClaims, AssertionSigner};
use crate::ledger::Recorded;
use crate::refusal::Refusal;

/// What forwarding has to know.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    /// Signs the identity, when that is configured.
    pub(crate) signer: Option<Arc<AssertionSigner>>,
}

impl Forwarding {
    /// Completes the outgoing head.
    ///
    /// # Errors
    ///
    /// When it would not be a legal head: then nothing is sent.
    pub(crate) fn complete(
        &self,
        head: &mut RequestHeader,
        arrival: &Arrival,
        recorded: &Recorded,
        body_was_read: bool,
    ) -> Result<(), Refusal> {
        let fault = |error: pingora::BError| Refusal::Internal(error.to_string());
        if let Some(query) = &arrival.query {
            let target = [arrival.path.as_bytes(), b"?", query].concat();
            head.set_raw_path(&target).map_err(fault)?;
            if head.raw_path() != target {
                return Err(Refusal::Internal(
                    "the target would not be sent as it was judged".to_owned(),
                ));
            }
        }
        if body_was_read {
            head.remove_header("Expect");
        }
        for (name, value) in self.identity(recorded)? {
            head.insert_header(name, value).map_err(fault)?;
        }
        Ok(())
    }

    /// The identity headers; what is empty is not sent (`gate.md`, "Identity to the upstream").
    fn identity(&self, recorded: &Recorded) -> Result<Vec<(&'static str, String)>, Refusal> {
        let record = recorded.record();
        let request_id = record.map(|record| record.id.to_string()).unwrap_or_default();
        let permit = &recorded.permit;
        let mut headers = vec![("X-Request-Id", request_id.clone())];
        let Some(caller) = &permit.caller else { return Ok(headers) };
        let user = &caller.user.value;
        let tenant = permit.tenant.as_ref().map(|tenant| &tenant.value);
        let glass = permit.broke_glass.as_deref().map(percent_encoded);
        headers.extend([
            ("X-Auth-User-Id", user.id.to_string()),
            ("X-Auth-Org-Id", user.organization.as_deref().unwrap_or_default().to_owned()),
            ("X-Auth-Tenant-Id", tenant.map_or_else(String::new, |it| it.id.to_string())),
            ("X-Auth-Tenant-Slug", tenant.map_or_else(String::new, |it| it.slug.to_string())),
            ("X-Auth-Roles", user.roles.join(",")),
            ("X-Auth-Features", permit.features.join(",")),
            ("X-Auth-Token-Id", caller.token_id.as_deref().unwrap_or_default().to_owned()),
            ("X-Auth-Break-Glass", glass.unwrap_or_default()),
        ]);
        if let Some(signer) = &self.signer {
            let action = record.and_then(|record| record.action.as_deref());
            let claims = AssertionClaims {
                subject: &user.id,
                organization: user.organization.as_deref(),
                tenant: tenant.map(|it| &*it.id),
                roles: &user.roles,
                features: &permit.features,
                action: action.unwrap_or_default(),
                request_id: &request_id,
                issued_at: record.map_or(0, |record| record.timestamp.unix_timestamp()),
            };
            let assertion =
                signer.sign(&claims).map_err(|error| Refusal::Internal(error.to_string()))?;
            headers.push(("X-Auth-Assertion", assertion));
        }
        headers.retain(|(_, value)| !value.is_empty());
        Ok(headers)
    }
}

/// Every byte that is not unreserved (RFC 3986, 2.3) as `%XX`: a justification is any text.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ok = write!(out, "%{byte:02X}");
        }
    }
    out
}
