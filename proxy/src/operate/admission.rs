//! Whether a bundle may be put in force (`policies.admit`): its own tests, and the guards that it has lost.
//!
//! A change must not grant by accident what its tests deny; a revocation must never wait for a test. So by
//! default a bundle is refused where a request is allowed of which a test expects that it is denied, and only
//! complained about where it is the other way round.

mod earlier;
mod layers;
mod trial;

use std::sync::Arc;

use policy_store::bundle::Finding;
use policy_store::watch::{Candidate, Examined, Occasion};
use tokio::runtime::Handle;

use crate::config::Admit;
use crate::operate::startable::{self, Startable};

/// What to do about a bundle that grants what is right to be granted.
const REMEDY: &str = "correct the policies, or change their tests with them; to put them in force as they are, once: `POST /reload?emergency=true` at the admin listener, or at a start `policies.admit: any`";

/// Examines the bundles of reloads.
pub(crate) struct Admission {
    /// Which bundles are admitted.
    pub(crate) admit: Admit,
    /// What a start would say.
    pub(crate) startable: Arc<Startable>,
    /// Where the database is asked.
    pub(crate) runtime: Handle,
}

impl Admission {
    /// Examines a bundle, on the thread that loads bundles.
    pub(crate) fn examine(&self, candidate: &Candidate) -> Examined {
        match self.startable.ask_from_thread(&self.runtime, &candidate.next) {
            // One that is in force stays: it is said elsewhere that the database does not fit it any more.
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

/// Judges a bundle by its tests and by what it has lost. That takes a while of pure work, and room for policies to
/// be evaluated.
pub(crate) fn judge(admit: Admit, candidate: &Candidate) -> Examined {
    let mut examined = Examined::default();
    let doubts = candidate.doubts.iter().cloned();
    let (about_tests, others): (Vec<_>, Vec<_>) = doubts.partition(Finding::is_about_tests);
    examined.refused.extend(others);
    faults(admit, &mut examined).extend(about_tests);
    if admit != Admit::Any {
        examined.refused.extend(layers::gone(candidate));
        // One that is refused anyway need not be tested, unless somebody wants to know all that is overridden.
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

/// Where faults go that open nothing: only where all tests have to be green do they keep a bundle out.
fn faults(admit: Admit, examined: &mut Examined) -> &mut Vec<Finding> {
    if admit == Admit::Tests { &mut examined.refused } else { &mut examined.warned }
}

/// Whether nothing keeps this bundle out: because of the configuration, or because it is in force already, or was
/// when the gate ended.
fn admits_all(admit: Admit, candidate: &Candidate) -> bool {
    match (admit, candidate.occasion) {
        (Admit::Any, _) | (_, Occasion::Restart) => true,
        (Admit::NoGrants, Occasion::Reload | Occasion::Emergency) => !candidate.is_new(),
        (Admit::NoGrants | Admit::Tests, _) => false,
    }
}
