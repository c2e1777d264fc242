//! Coverage: which parts of a bundle the questions of its tests have shown. Each policy, condition, role of an
//! allowlist and route should be seen both ways.

mod items;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entities, EntityUid, Request};
use policy_store::bundle::{Bundle, Rule};
use serde::Serialize;

use super::plan::Workshop;
use super::{Anatomy, AnatomyError, Clause, Examined, ListSeen};

use items::{Index, OfPolicy};

/// The items of a bundle that were seen so far.
///
/// A clone continues on its own; [`Coverage::merge`] combines several.
#[derive(Debug, Clone)]
pub struct Coverage {
    plan: Arc<Plan>,
    /// Whether each item of the plan was seen.
    seen: Vec<bool>,
}

/// Everything that there is to see.
#[derive(Debug)]
struct Plan {
    anatomies: HashMap<EntityUid, Anatomy>,
    index: Index,
}

/// One item to see: one outcome of one part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The file of the bundle that contains the part.
    pub file: String,
    /// The line in the file.
    pub line: usize,
    /// The policy or route that the item belongs to.
    #[serde(flatten)]
    pub about: About,
    /// A description of what was never seen.
    pub what: String,
    /// The kind of the item.
    pub kind: ItemKind,
}

/// The policy or route that an item belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// The policy with this `@id`.
    Policy(Arc<str>),
    /// The route of this action.
    Route(Arc<str>),
}

/// The kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A policy applies, or does not.
    Policy,
    /// A condition is true, or false.
    Condition,
    /// An allowlist lets a role in, or keeps a role out.
    Role,
    /// A route is allowed, or refused.
    Route,
}

/// The numbers of items, and the items that were not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many items were seen.
    pub covered: usize,
    /// The number of all items.
    pub total: usize,
    /// The items that were not seen, by file and line.
    pub missing: Vec<Item>,
}

impl Report {
    /// Returns the share of items that were seen, in per cent with one decimal, rounded down: 100 means all of
    /// them.
    pub fn percent(&self) -> f64 {
        let tenths = (self.covered * 1000).checked_div(self.total).unwrap_or(1000);
        u32::try_from(tenths).map_or(0.0, f64::from) / 10.0
    }
}

impl Coverage {
    /// Returns the coverage of `bundle` before any question.
    ///
    /// # Errors
    ///
    /// Fails if a policy cannot be split into parts.
    pub fn of(bundle: &Bundle) -> Result<Self, AnatomyError> {
        let mut shop = Workshop::new(bundle);
        let routed = bundle.routes().routes().iter().filter_map(|it| bundle.slice(&it.action));
        let mut anatomies = HashMap::new();
        for slice in routed.chain([bundle.act_in(), bundle.unmapped()]) {
            if !anatomies.contains_key(&slice.action) {
                anatomies.insert(slice.action.clone(), shop.anatomy(slice)?);
            }
        }
        let mut rules: Vec<&Arc<Rule>> = bundle.rules().collect();
        rules.sort_by_key(|rule| rule.order);
        let bodies =
            rules.into_iter().map(|rule| shop.body(rule)).collect::<Result<Vec<_>, _>>()?;
        let index = Index::of(bundle, &bodies);
        let seen = vec![false; index.items.len()];
        Ok(Self { plan: Arc::new(Plan { anatomies, index }), seen })
    }

    /// Records a question and the results of those policies for which `put` returns true: a policy that the
    /// gate does not reach was not exercised.
    ///
    /// # Errors
    ///
    /// Fails if the bundle has no policies about the action, because it is not one of its actions.
    pub fn asked(
        &mut self,
        request: &Request,
        entities: &Entities,
        put: impl Fn(&Rule) -> bool,
    ) -> Result<(), AnatomyError> {
        let plan = Arc::clone(&self.plan);
        let action = request.action();
        let anatomy = action.and_then(|action| plan.anatomies.get(action)).ok_or_else(|| {
            AnatomyError::NoSuchAction(action.map(ToString::to_string).unwrap_or_default())
        })?;
        for examined in anatomy.examine(request, entities) {
            let items = plan.index.policies.get(&examined.rule.id);
            if let Some(items) = items.filter(|_| put(&examined.rule)) {
                self.policy(items, &examined);
            }
        }
        Ok(())
    }

    /// Records that a request for the route of `action` was allowed or refused, by whatever layer.
    pub fn decided(&mut self, action: &str, allowed: bool) {
        let plan = Arc::clone(&self.plan);
        for route in plan.index.routes.get(action).into_iter().flatten() {
            self.see(if allowed { Some(route.allowed) } else { route.refused });
        }
    }

    /// Adds what `other` has seen. It must be a clone of the same original.
    pub fn merge(&mut self, other: &Coverage) {
        for (mine, theirs) in self.seen.iter_mut().zip(&other.seen) {
            *mine |= theirs;
        }
    }

    /// Returns the numbers of items, and the items that were not seen.
    pub fn report(&self) -> Report {
        let items = self.plan.index.items.iter().zip(&self.seen);
        let mut missing: Vec<Item> =
            items.filter(|(_, seen)| !**seen).map(|(item, _)| item.clone()).collect();
        // The sort is stable: items on one line stay in the order of the text.
        missing.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let total = self.seen.len();
        Report { covered: total - missing.len(), total, missing }
    }

    fn see(&mut self, item: Option<usize>) {
        if let Some(seen) = item.and_then(|item| self.seen.get_mut(item)) {
            *seen = true;
        }
    }

    fn policy(&mut self, items: &OfPolicy, examined: &Examined) {
        match examined.applies {
            Some(true) => self.see(Some(items.applied)),
            Some(false) if examined.scope => self.see(items.aside),
            _ => {}
        }
        let leaves = examined.clauses.iter().flat_map(|clause: &Clause| clause.node.leaves());
        for (leaf, (yes, no)) in leaves.zip(&items.leaves) {
            self.see(leaf.value.map(|value| if value { *yes } else { *no }));
        }
        for (list, roles) in examined.lists.iter().zip(&items.lists) {
            self.list(list, roles);
        }
    }

    fn list(&mut self, list: &ListSeen, items: &[usize]) {
        let holds = |listed| {
            list.roles.iter().filter(move |it| it.listed == listed && it.held == Some(true)).count()
        };
        // A caller with two roles of a list shows nothing about either role.
        let shown = match list.value {
            Some(true) => (holds(true) == 1).then_some(true),
            Some(false) => (holds(true) == 0).then_some(false),
            None => None,
        };
        for (role, item) in list.roles.iter().zip(items) {
            if role.held == Some(true) && Some(role.listed) == shown {
                self.see(Some(*item));
            }
        }
    }
}

#[cfg(test)]
mod tests;
