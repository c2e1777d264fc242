//! Decides whether a bundle may be put in force (`policies.admit`), by its tests and by the guards that it has lost.
//!
//! A change must not accidentally grant what its tests deny, and a revocation must never wait for a test. So by
//! default a bundle is refused if it allows a request that a test expects to be denied; the opposite
//! is only a warning.

mod earlier;
mod layers;
mod trial;

use std::sync::Arc;

use policy_store::bundle::Finding;
use policy_store::watch::{Candidate, Examined, Occasion};
use tokio::runtime::Handle;

use crate::config::Admit;
use crate::operate::startable::{self, Startable};

/// The remedy for a bundle that is refused, as given in findings.
const REMEDY: &str = "correct the policies, or change their tests with them; to put them in force as they are, once: `POST /reload?emergency=true` at the admin listener, or at a start `policies.admit: any`";

/// Examines the bundles of reloads.
pub(crate) struct Admission {
    /// Which bundles are admitted.
    pub(crate) admit: Admit,
    /// The checks of a start.
    pub(crate) startable: Arc<Startable>,
    /// The runtime in which the database is asked.
    pub(crate) runtime: Handle,
}

impl Admission {
    /// Examines a bundle, on the thread that loads bundles.
    pub(crate) fn examine(&self, candidate: &Candidate) -> Examined {
        match self.startable.ask_from_thread(&self.runtime, &candidate.next) {
            // A bundle already in force stays in force; `fitness.rs` reports that the database no longer fits it.
            Err(error) if candidate.is_new() => {
                Examined { unstartable: startable::findings(&error), ..Examined::default() }
            }
            asked => {
                let startable = matches!(asked, Ok(Some(_)));
                let known = candidate.known.clone();
                let judged = known.unwrap_or_else(|| judge(self.admit, candidate));
                Examined { startable, ..judged }
            }
        }
    }
}

/// Judges a bundle by its tests and by the guards that it has lost. Uses the CPU for a while, and needs a stack large
/// enough to evaluate policies.
pub(crate) fn judge(admit: Admit, candidate: &Candidate) -> Examined {
    let mut examined = Examined::default();
    let doubts = candidate.doubts.iter().cloned();
    let (about_tests, others): (Vec<_>, Vec<_>) = doubts.partition(Finding::is_about_tests);
    examined.refused.extend(others);
    faults(admit, &mut examined).extend(about_tests);
    if admit != Admit::Any {
        examined.refused.extend(layers::gone(candidate));
        // The tests of a refused bundle are run only if all overridden findings are wanted.
        if examined.refused.is_empty() || candidate.occasion != Occasion::Reload {
            trial::own(admit, candidate, &mut examined);
            earlier::denials(candidate, &mut examined);
        }
    }
    if admits_all(admit, candidate) {
        let mut all = std::mem::take(&mut examined.refused);
        all.append(&mut examined.warned);
        examined.warned = all;
    }
    examined
}

/// The list for faults that grant nothing: they refuse a bundle only if all tests must pass.
fn faults(admit: Admit, examined: &mut Examined) -> &mut Vec<Finding> {
    if admit == Admit::Tests { &mut examined.refused } else { &mut examined.warned }
}

/// Whether this bundle is admitted whatever is found: because of the configuration, or because it is already in force
/// or was in force when the gate ended.
fn admits_all(admit: Admit, candidate: &Candidate) -> bool {
    match (admit, candidate.occasion) {
        (Admit::Any, _) | (_, Occasion::Restart) => true,
        (Admit::NoGrants, Occasion::Reload | Occasion::Emergency) => !candidate.is_new(),
        (Admit::NoGrants | Admit::Tests, _) => false,
    }
}
