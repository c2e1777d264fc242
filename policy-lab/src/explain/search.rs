//! Searches for the smallest sets of changes that reverse a decision.
//!
//! Sets grow by one change at a time. A set grows further only if it brings the request further than the set
//! that it grew from: most policies ask for one thing after the other, and only the policy that refuses now
//! tells what has to change. If that finds nothing, pairs are tried, for a policy that asks for two things at
//! once. A set is reported only if no smaller part of it reverses the decision.

use std::collections::HashMap;
use std::sync::Arc;

use policy_store::bundle::Layer;
use policy_store::routes::FactKind;
use proxy::judge::decide::Denied;
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::{Ask, Verdict, WorkbenchError};

use super::candidates::{self, Choice, NO_STATUS};
use super::change::{Change, To};
use super::layers::{self, Rank};
use super::{Explainer, sight, workflow};

/// The maximum number of changed worlds that are judged.
const BOUND: usize = 20_000;
/// The maximum number of changes in a set.
const LARGEST: usize = 4;
/// The maximum number of sets of one size that grow further.
const BEAM: usize = 40;

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The minimal sets. The changes of a set are in an order in which each brings the request further; each
    /// comes with the reason of the decision after it.
    pub(super) sets: Vec<Vec<(Change, Arc<str>)>>,
    pub(super) judged: usize,
    pub(super) complete: bool,
}

/// The result of the request in a changed world.
#[derive(Debug, Clone)]
struct Tried {
    /// How far the request gets; `None` if it is allowed.
    rank: Option<Rank>,
    reason: Arc<str>,
    /// The kinds of facts that the result may depend on.
    sight: Vec<FactKind>,
}

struct Trials<'a> {
    explainer: &'a Explainer,
    ask: &'a Ask,
    known: HashMap<Vec<Change>, Tried>,
}

impl Explainer {
    /// Searches for changes that would reverse the decision.
    pub(super) async fn search(
        &self,
        ask: &Ask,
        verdict: &Verdict,
    ) -> Result<Search, WorkbenchError> {
        if !self.depends_on_facts(verdict) {
            return Ok(Search { complete: true, ..Search::default() });
        }
        // Facts that were looked up for another request are not candidates for this one.
        self.scene.forget();
        let mut trials = Trials { explainer: self, ask, known: HashMap::new() };
        let roles = candidates::roles(&self.bundle().bundle);
        let published = self.bundle();
        let choice = Choice {
            bundle: &published.bundle,
            statuses: &self.statuses,
            workflow: workflow(&published.bundle, verdict),
            roles: &roles,
        };
        trials.judge(&[]).await?;
        let found = if verdict.allowed() {
            trials.denying(&choice).await?
        } else {
            trials.allowing(&choice).await?
        };
        let mut sets = Vec::new();
        for set in found {
            sets.push(trials.in_order(set).await?);
        }
        self.scene.change(&[]);
        let judged = trials.known.len();
        Ok(Search { sets, judged, complete: judged < BOUND })
    }

    /// Whether other facts could lead to another decision.
    fn depends_on_facts(&self, verdict: &Verdict) -> bool {
        match &verdict.refusal {
            None => true,
            Some(Refusal::CrossTenant(name)) => {
                self.notebook.notes().organizations.values().any(|(organization, _)| {
                    *organization.id == **name || *organization.slug == **name
                })
            }
            Some(Refusal::Denied(denied)) => {
                matches!(denied, Denied::ByRule(_) | Denied::ByDefault)
            }
            Some(_) => false,
        }
    }
}

impl Trials<'_> {
    /// Returns the changes that may remove a refusal. A new status must be one that policies name.
    fn candidates(&self, choice: &Choice<'_>, sight: &[FactKind]) -> Vec<Change> {
        let mut changes = choice.changes(&self.explainer.scene.seen());
        changes.retain(|it| sight.contains(&it.kind) && it.to != To::Is(Arc::from(NO_STATUS)));
        changes
    }

    /// Returns all changes. For a denial, one status that no policy names stands for all other statuses.
    fn all(&self, choice: &Choice<'_>) -> Vec<Change> {
        let mut changes = choice.changes(&self.explainer.scene.seen());
        changes.retain(|it| !matches!(&it.to, To::Is(status) if **status != *NO_STATUS));
        changes
    }

    async fn judge(&mut self, set: &[Change]) -> Result<Tried, WorkbenchError> {
        let mut key = set.to_vec();
        key.sort_unstable();
        if let Some(tried) = self.known.get(&key) {
            return Ok(tried.clone());
        }
        self.explainer.scene.change(set);
        let verdict = self.explainer.trial.judge(self.ask).await?;
        let bundle = &self.explainer.bundle().bundle;
        let tried = Tried {
            rank: verdict.refusal.as_ref().map(|refusal| layers::rank(bundle, refusal)),
            reason: Arc::from(verdict.reason()),
            sight: sight::of(bundle, &verdict),
        };
        self.known.insert(key, tried.clone());
        Ok(tried)
    }

    /// Returns the single changes after which the request is denied.
    async fn denying(&mut self, choice: &Choice<'_>) -> Result<Vec<Vec<Change>>, WorkbenchError> {
        let mut found = Vec::new();
        for change in self.all(choice) {
            let set = vec![change];
            if self.judge(&set).await?.rank.is_some_and(|(layer, _)| layer > Layer::Request) {
                found.push(set);
            }
        }
        Ok(found)
    }

    /// Returns the minimal sets after which the request is allowed.
    async fn allowing(&mut self, choice: &Choice<'_>) -> Result<Vec<Vec<Change>>, WorkbenchError> {
        let start = self.judge(&[]).await?;
        let mut found: Vec<Vec<Change>> = Vec::new();
        let mut growing = vec![(Vec::new(), start)];
        for _size in 1..=LARGEST {
            let mut further = Vec::new();
            for (set, before) in &growing {
                for change in self.candidates(choice, &before.sight) {
                    let Some(grown) = grown(set, change, &found) else { continue };
                    if self.known.len() >= BOUND || further.iter().any(|(it, _)| *it == grown) {
                        continue;
                    }
                    let tried = self.judge(&grown).await?;
                    if tried.rank.is_none() {
                        self.keep_if_minimal(grown, &mut found).await?;
                    } else if tried.rank > before.rank {
                        further.push((grown, tried));
                    }
                }
            }
            // The sort is stable: of sets that get equally far, the one that adds least grows first.
            further.sort_by_key(|(_, tried)| std::cmp::Reverse(tried.rank));
            further.truncate(BEAM);
            growing = further;
        }
        if found.is_empty() {
            self.pairs(choice, &mut found).await?;
        }
        Ok(found)
    }

    async fn pairs(
        &mut self,
        choice: &Choice<'_>,
        found: &mut Vec<Vec<Change>>,
    ) -> Result<(), WorkbenchError> {
        let start = self.judge(&[]).await?;
        let candidates = self.candidates(choice, &start.sight);
        for (index, first) in candidates.iter().enumerate() {
            for second in candidates.iter().skip(index + 1) {
                let Some(pair) = grown(std::slice::from_ref(first), second.clone(), found) else {
                    continue;
                };
                if self.known.len() < BOUND && self.judge(&pair).await?.rank.is_none() {
                    found.push(pair);
                }
            }
        }
        Ok(())
    }

    /// Keeps a set that reverses the decision, or a smaller part of it that does.
    async fn keep_if_minimal(
        &mut self,
        set: Vec<Change>,
        found: &mut Vec<Vec<Change>>,
    ) -> Result<(), WorkbenchError> {
        // All parts except the empty one and the whole, as bits; small ones first.
        let mut parts: Vec<usize> = (1..(1_usize << set.len()) - 1).collect();
        parts.sort_by_key(|part| part.count_ones());
        for part in parts {
            let chosen =
                |(at, change): (usize, &Change)| (part & (1 << at) != 0).then(|| change.clone());
            let part: Vec<Change> = set.iter().enumerate().filter_map(chosen).collect();
            if self.judge(&part).await?.rank.is_none() {
                if !found.contains(&part) {
                    found.push(part);
                }
                return Ok(());
            }
        }
        found.push(set);
        Ok(())
    }

    /// Returns the changes of a set in order: each time, the one that brings the request furthest.
    async fn in_order(
        &mut self,
        mut set: Vec<Change>,
    ) -> Result<Vec<(Change, Arc<str>)>, WorkbenchError> {
        let mut done: Vec<Change> = Vec::new();
        let mut steps = Vec::new();
        while !set.is_empty() {
            let mut best: Option<(usize, Tried)> = None;
            for (at, change) in set.iter().enumerate() {
                let tried = self.judge(&[&done, std::slice::from_ref(change)].concat()).await?;
                let further = |best: &Tried| match (tried.rank, best.rank) {
                    (None, Some(_)) => true,
                    (Some(now), Some(before)) => now > before,
                    _ => false,
                };
                if best.as_ref().is_none_or(|(_, best)| further(best)) {
                    best = Some((at, tried));
                }
            }
            let Some((at, tried)) = best else { break };
            let change = set.remove(at);
            done.push(change.clone());
            steps.push((change, tried.reason));
        }
        Ok(steps)
    }
}

/// Returns a set with one more change; `None` if changes exclude each other, or a known set is part of the
/// result.
fn grown(set: &[Change], change: Change, found: &[Vec<Change>]) -> Option<Vec<Change>> {
    if set.iter().any(|it| it.excludes(&change)) {
        return None;
    }
    let mut grown = set.to_vec();
    grown.push(change);
    let holds = |smaller: &Vec<Change>| smaller.iter().all(|it| grown.contains(it));
    if found.iter().any(holds) {
        return None;
    }
    grown.sort_unstable();
    Some(grown)
}
