//! Where chance begins.

/// The seed of a run, which whoever uses it prints: what `CEDARGATE_SEED` says, so that a run can
/// be had again, else another each time.
#[must_use]
pub fn seed() -> u64 {
    let told = std::env::var("CEDARGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    told.unwrap_or_else(|| u64::from(std::process::id()) << 32 | crate::tokens::now())
}
