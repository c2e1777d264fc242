//! What occurred, so that a test can tell that it tested something.

use std::{collections::BTreeMap, fmt};

use super::rules::Outcome;

/// How often what became of requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By reason, `allowed` included.
    pub reasons: BTreeMap<String, u32>,
    /// The allowed and the refused, by action.
    pub actions: BTreeMap<String, (u32, u32)>,
    /// Those that a justification let in.
    pub glasses: u32,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, outcome: &Outcome) {
        *self.reasons.entry(outcome.reason.clone()).or_default() += 1;
        let action = outcome.action.clone().unwrap_or_else(|| "unmapped".to_owned());
        let (allowed, refused) = self.actions.entry(action).or_default();
        *if outcome.reason == "allowed" { allowed } else { refused } += 1;
        self.glasses += u32::from(outcome.broke_glass);
    }

    /// Counts what another has counted.
    pub fn add(&mut self, other: Self) {
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        for (action, (allowed, refused)) in other.actions {
            let sums = self.actions.entry(action).or_default();
            *sums = (sums.0 + allowed, sums.1 + refused);
        }
        self.glasses += other.glasses;
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.reasons.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests, {} let in by a justification", self.total(), self.glasses)?;
        for (reason, count) in &self.reasons {
            writeln!(f, "{count:8} {reason}")?;
        }
        writeln!(f, " allowed  refused")?;
        for (action, (allowed, refused)) in &self.actions {
            writeln!(f, "{allowed:8} {refused:8} {action}")?;
        }
        Ok(())
    }
}
