//! Runs the tests of the bundle in force: a change that removes a guard may remove the guard's test as well.
//!
//! A request that those tests expect to be denied must be denied by the new bundle too, unless the new bundle's own
//! tests expect the same request of the same caller to be allowed.

use std::collections::HashMap;
use std::sync::Arc;

use policy_store::bundle::Kind;
use policy_store::cases::{Case, Request, Suite};
use policy_store::watch::{Candidate, Examined};

use super::trial::{findings, grants, patience, run, unfinished};

/// Checks a bundle against the denials that the tests of the bundle in force expect.
pub(super) fn denials(candidate: &Candidate, examined: &mut Examined) {
    let Some(before) = candidate.before.as_ref().filter(|_| candidate.is_new()) else { return };
    let (earlier, own) = (before.bundle.suite(), candidate.next.bundle.suite());
    if Arc::ptr_eq(earlier, own) {
        return;
    }
    let spoken = Spoken::of(earlier, own);
    let denials = earlier.cases.iter().enumerate().filter(|(_, case)| case.is_denial());
    let due: Vec<usize> = denials.filter(|(_, it)| spoken.has_to_run(it)).map(|it| it.0).collect();
    if due.is_empty() {
        return;
    }
    let patience = patience(candidate.occasion);
    let outcomes = match run(&candidate.next, earlier, &due, patience) {
        Ok(outcomes) => outcomes,
        Err(finding) => return examined.refused.push(*finding),
    };
    if outcomes.len() < due.len() {
        examined.refused.push(unfinished(outcomes.len(), due.len(), patience));
    }
    let allowed = |case: usize| earlier.cases.get(case).is_some_and(|it| spoken.allows(it));
    let open = outcomes.iter().filter(|it| grants(earlier, it) && !allowed(it.case));
    let open: Vec<_> = open.collect();
    let what = format!(
        "{} requests are allowed that tests of the bundle in force expect to be denied, and no test of this bundle says that they are to be allowed",
        open.len()
    );
    examined.refused.extend(findings(Kind::TestGrants, &what, candidate, earlier, &open));
}

/// The caller, method and target of a case.
type Key<'a> = (Option<&'a str>, &'a str, &'a str);

/// An index of the new bundle's own tests.
struct Spoken<'a> {
    earlier: &'a Suite,
    own: &'a Suite,
    /// Whether both suites have the same facts: then a case that is in both needs no second run.
    same_facts: bool,
    cases: HashMap<Key<'a>, Vec<&'a Case>>,
}

impl<'a> Spoken<'a> {
    fn of(earlier: &'a Suite, own: &'a Suite) -> Self {
        let same_facts = earlier.facts == own.facts && earlier.tenancy == own.tenancy;
        let mut cases = HashMap::<_, Vec<_>>::new();
        for case in &own.cases {
            cases.entry(key(case)).or_default().push(case);
        }
        Self { earlier, own, same_facts, cases }
    }

    /// Whether a case of the earlier suite must be run, because no equal case of the new suite was.
    fn has_to_run(&self, case: &Case) -> bool {
        !self.same_facts || self.same(case).next().is_none()
    }

    /// Whether the new tests expect this request to be allowed, to a caller with unchanged facts.
    fn allows(&self, case: &Case) -> bool {
        let user = |suite: &'a Suite| {
            let id = case.caller.as_ref()?;
            suite.facts.users.get(id)
        };
        user(self.earlier) == user(self.own) && self.same(case).any(|own| !own.is_denial())
    }

    /// The new cases about the same request of the same caller.
    fn same<'b>(&'b self, case: &'b Case) -> impl Iterator<Item = &'a Case> + 'b {
        let candidates = self.cases.get(&key(case)).into_iter().flatten().copied();
        candidates.filter(|own| is_same(&own.request, &case.request))
    }
}

fn key(case: &Case) -> Key<'_> {
    (case.caller.as_deref(), &case.request.method, &case.request.target)
}

/// Whether two requests are equal, names aside.
fn is_same(one: &Request, other: &Request) -> bool {
    *one == Request { name: one.name.clone(), ..other.clone() }
}
