//! The wall clock.

use time::OffsetDateTime;

/// The current time.
#[expect(
    clippy::disallowed_methods,
    reason = "the gate's clock is the gate's; this application has one of its own, and this is it"
)]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
