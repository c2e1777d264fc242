//! Whether the clock is where it was.

use time::{Duration, OffsetDateTime};

use super::Found;
use crate::segments;

/// Clocks that are kept right are set back by less. What is within it is told apart by nobody.
const STEP: Duration = Duration::SECOND;

/// A clock that was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockBack {
    /// The greatest time that the journal knows of.
    pub greatest: OffsetDateTime,
    /// What the clock says now.
    pub clock: OffsetDateTime,
}

impl ClockBack {
    /// Whether the clock, which was at `greatest`, was set back since.
    pub(in crate::journal) fn seen(
        greatest: OffsetDateTime,
        clock: OffsetDateTime,
    ) -> Option<Self> {
        (clock < greatest.saturating_sub(STEP)).then_some(Self { greatest, clock })
    }
}

/// The greatest time that names of segments and the newest checkpoint know of.
pub(super) fn greatest(found: &Found) -> Option<OffsetDateTime> {
    let begun = found.segments.iter().filter_map(|it| segments::began(&it.stem)).max();
    begun.max(found.newest.as_ref().map(|it| it.checkpoint.time))
}
