//! Stage 7 of 7: forward.
//!
//! Takes a `Recorded` permit. Completes the upstream's head, which already has the judged target and the
//! fields that passed the hygiene, with the identity of the caller as the database knows it.

pub mod assertion;
pub(crate) mod relay;

use std::sync::Arc;

use bytes::BytesMut;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::forward::assertion::{AssertionClaims, AssertionSigner};
use crate::judge::ledger::Recorded;
use crate::judge::refusal::Refusal;

/// Every byte that is not unreserved (RFC 3986, 2.3). A justification can be any text, so these are escaped.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The configuration of forwarding.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    /// Signs the identity, if configured.
    pub(crate) signer: Option<Arc<AssertionSigner>>,
}

impl Forwarding {
    /// Appends the identity headers to the head for the upstream.
    ///
    /// # Errors
    ///
    /// Fails if a reader could misread a value: then nothing is sent.
    pub(crate) fn write_identity(
        &self,
        recorded: &Recorded,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        self.identity(recorded, |name, value| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
            Ok(())
        })
    }

    /// Passes each identity header to `say`; empty values are left out (`gate.md`, "Identity to the upstream").
    fn identity(
        &self,
        recorded: &Recorded,
        mut say: impl FnMut(&'static str, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let record = recorded.record();
        let mut id = Uuid::encode_buffer();
        let request_id = record.map_or("", |record| record.id.hyphenated().encode_lower(&mut id));
        let mut say = |name, value: &str| match value {
            "" => Ok(()),
            sound if is_sound(sound) => say(name, sound),
            _ => Err(Refusal::Internal(format!("`{name}` has a value that cannot be sent"))),
        };
        say("X-Request-Id", request_id)?;
        let permit = &recorded.permit;
        let Some(caller) = &permit.caller else { return Ok(()) };
        let user = &caller.user.value;
        let tenant = permit.tenant.as_ref().map(|tenant| &tenant.value);
        say("X-Auth-User-Id", &user.id)?;
        say("X-Auth-Org-Id", user.organization.as_deref().unwrap_or_default())?;
        say("X-Auth-Tenant-Id", tenant.map_or("", |it| &it.id))?;
        say("X-Auth-Tenant-Slug", tenant.map_or("", |it| &it.slug))?;
        listed(&user.roles, |roles| say("X-Auth-Roles", roles))?;
        listed(&permit.features, |features| say("X-Auth-Features", features))?;
        say("X-Auth-Token-Id", caller.token_id.as_deref().unwrap_or_default())?;
        if let Some(glass) = permit.broke_glass.as_deref() {
            say("X-Auth-Break-Glass", &utf8_percent_encode(glass, RESERVED).to_string())?;
        }
        let Some(signer) = &self.signer else { return Ok(()) };
        let action = record.and_then(|record| record.action.as_deref());
        let claims = AssertionClaims {
            subject: &user.id,
            organization: user.organization.as_deref(),
            tenant: tenant.map(|it| &*it.id),
            roles: &user.roles,
            features: &permit.features,
            action: action.unwrap_or_default(),
            request_id,
            issued_at: record.map_or(0, |record| record.timestamp.unix_timestamp()),
        };
        let assertion =
            signer.sign(&claims).map_err(|error| Refusal::Internal(error.to_string()))?;
        say("X-Auth-Assertion", &assertion)
    }
}

/// Whether every reader reads the same value. RFC 9110, 5.5: white space at either end is not part of a field value.
fn is_sound(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7F) && bytes.trim_ascii() == bytes
}

/// Passes names, separated by commas, to `say`.
fn listed<T>(names: &[Arc<str>], say: impl FnOnce(&str) -> T) -> T {
    match names {
        [only] => say(only),
        several => say(&several.join(",")),
    }
}
