//! File descriptors: raises the process limit, and derives the maximum number of connections from it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;
use crate::http::seats::Bounds;

/// Descriptors not available to clients: those of the admin listener and its connections, databases, the journal and
/// its sinks, key sets, the policy watcher, and the runtime itself.
const RESERVE: usize = 192;
/// The minimum for the bound on connections, even with very few descriptors.
const FEWEST: usize = 16;
/// The divisor of all connections that gives the default maximum of one client.
const PART_OF_A_CLIENT: usize = 4;

/// Raises the soft limit of file descriptors to the hard limit. Returns the new limit.
pub(super) fn raise() -> usize {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    let raised = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors cannot be raised");
            before
        }
    };
    // Without a limit, or with one beyond `usize`: more than any process can have.
    let number =
        |limit: Option<u64>| limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    let (from, to) = (number(before.current), number(raised.current));
    tracing::info!(from, to, "file descriptors that this process may have");
    to
}

/// The bounds on connections. Each connection takes one descriptor, and one more to the upstream while it is served.
pub(super) fn bounds(limits: &Limits, descriptors: usize) -> Bounds {
    let possible = (descriptors.saturating_sub(RESERVE) / 2).max(FEWEST);
    let total = limits.connections.min(possible);
    if total < limits.connections {
        tracing::warn!(
            wanted = limits.connections,
            possible,
            descriptors,
            "fewer connections than `limits.connections` are possible: raise the limit of file descriptors (`LimitNOFILE`, `ulimit -Hn`)"
        );
    }
    let part = (total / PART_OF_A_CLIENT).max(1);
    Bounds { total, client: limits.connections_per_client.unwrap_or(part).min(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_others() {
        let limits = |connections, connections_per_client| Limits {
            connections,
            connections_per_client,
            ..Limits::default()
        };
        for (wanted, each, descriptors, expected) in [
            (10_000, None, 1_000_000, (10_000, 2_500)),
            (10_000, None, 1024, (416, 104)),
            (10_000, Some(1_000), 1024, (416, 416)),
            (100, Some(7), 1024, (100, 7)),
            (10_000, None, 64, (16, 4)),
            (1, None, 1024, (1, 1)),
        ] {
            let bounds = bounds(&limits(wanted, each), descriptors);
            assert_eq!((bounds.total, bounds.client), expected, "{wanted} {each:?} {descriptors}");
        }
    }

    #[test]
    fn the_limit_is_the_hard_one() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(now.current.map_or(usize::MAX, |it| usize::try_from(it).unwrap()), raised);
    }
}
