//! Whether the clock was set back.

use time::{Duration, OffsetDateTime};

use super::Found;
use crate::segments;

/// The largest step back that is ignored: well-kept clocks are set back by less.
const STEP: Duration = Duration::SECOND;

/// A clock that was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockBack {
    /// The greatest time in the journal.
    pub greatest: OffsetDateTime,
    /// The time of the clock now.
    pub clock: OffsetDateTime,
}

impl ClockBack {
    /// Whether the clock, which was at `greatest`, was set back to `clock`.
    pub(in crate::journal) fn seen(
        greatest: OffsetDateTime,
        clock: OffsetDateTime,
    ) -> Option<Self> {
        (clock < greatest.saturating_sub(STEP)).then_some(Self { greatest, clock })
    }
}

/// The greatest time in the names of segments and in the newest checkpoint.
pub(super) fn greatest(found: &Found) -> Option<OffsetDateTime> {
    let begun = found.segments.iter().filter_map(|it| segments::began(&it.stem)).max();
    begun.max(found.newest.as_ref().map(|it| it.checkpoint.time))
}
