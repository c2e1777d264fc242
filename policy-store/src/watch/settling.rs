//! How long a folder is waited for that somebody writes to.

use std::time::Duration;

/// How long nothing may have changed before a folder is read, at the least. Editors and `ConfigMap`s write in
/// several steps, and copies over a slow mount pause between files.
pub(super) const QUIET: Duration = Duration::from_millis(250);
/// The same where a guard of the bundle in force is gone: the file that it was moved to may still come.
pub(super) const QUIET_WITHOUT_GUARD: Duration = Duration::from_secs(2);
/// The longest time for which nothing may have to have changed.
const LONGEST_QUIET: Duration = Duration::from_secs(2);
/// Where somebody writes without end, or keeps open what was written to, the folder is read all the same
/// this long after the first change: the new bundle may take back what the old one allows.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How much longer the folder is waited for, if nothing happens meanwhile. `change` is the time from the first
/// to the last change so far, `since` the time since the last one, `open` whether a file is open that was
/// written to, and `least` how long nothing may have changed at the least.
///
/// The longer a change goes on, the longer its pauses may be: nothing may have changed for as long as it has
/// gone on.
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
            // No longer than two seconds after the last, and ten after the first.
            (7_000, 0, false, 2_000),
            (9_500, 100, false, 400),
            (10_000, 0, false, 0),
            (60_000, 0, false, 0),
            // Somebody has a file open.
            (0, 3_000, true, 7_000),
            (5_000, 5_000, true, 0),
        ] {
            let found = left(ms(change), ms(since), open, QUIET);
            assert_eq!(found, ms(expected), "{change} {since} {open}");
        }
        assert_eq!(left(ms(0), ms(500), false, QUIET_WITHOUT_GUARD), ms(1_500));
    }
}
