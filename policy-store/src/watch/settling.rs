//! How long to wait for a folder that is being written to.

use std::time::Duration;

/// The minimum quiet time before a folder is read. Editors and `ConfigMap`s write in several steps, and copies
/// over a slow mount pause between files.
pub(super) const QUIET: Duration = Duration::from_millis(250);
/// The minimum quiet time if a guard of the bundle in force is gone: the file that it was moved to may still
/// arrive.
pub(super) const QUIET_WITHOUT_GUARD: Duration = Duration::from_secs(2);
/// The maximum quiet time that is required.
const LONGEST_QUIET: Duration = Duration::from_secs(2);
/// The maximum wait after the first change. If the folder is written to without end, or a written file stays
/// open, the folder is read then all the same: the new bundle may revoke what the old one allows.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Returns how much longer to wait for the folder if nothing happens meanwhile. `change` is the time from the
/// first to the last change so far, `since` the time since the last change, `open` whether a written file is
/// still open, and `least` the minimum quiet time.
///
/// The longer a change takes, the longer its pauses may be: the required quiet time is as long as the change
/// has taken.
pub(super) fn left(change: Duration, since: Duration, open: bool, least: Duration) -> Duration {
    let end = LONGEST_WAIT.saturating_sub(change + since);
    if open {
        return end;
    }
    let quiet = change.clamp(least, LONGEST_QUIET.max(least));
    quiet.saturating_sub(since).min(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_folder_is_waited_for_the_longer_the_longer_its_change_goes_on() {
        for (change, since, open, expected) in [
            // One save.
            (0, 0, false, 250),
            (0, 250, false, 0),
            (30, 100, false, 150),
            // Files that come every 90 ms, and every 400 ms.
            (720, 90, false, 630),
            (720, 720, false, 0),
            (1_600, 400, false, 1_200),
            // At most two seconds after the last change, and ten after the first.
            (7_000, 0, false, 2_000),
            (9_500, 100, false, 400),
            (10_000, 0, false, 0),
            (60_000, 0, false, 0),
            // A file is still open.
            (0, 3_000, true, 7_000),
            (5_000, 5_000, true, 0),
        ] {
            let found = left(ms(change), ms(since), open, QUIET);
            assert_eq!(found, ms(expected), "{change} {since} {open}");
        }
        assert_eq!(left(ms(0), ms(500), false, QUIET_WITHOUT_GUARD), ms(1_500));
    }
}
