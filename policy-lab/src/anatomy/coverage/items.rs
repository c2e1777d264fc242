//! The list of all items of a bundle's coverage.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::routes::Route;

use super::{About, Item, ItemKind};
use crate::anatomy::plan::{Body, ListPlan, RolePlan};
use crate::anatomy::statement::shown;

/// All items, with the places of each policy's and route's items in the list.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) items: Vec<Item>,
    pub(super) policies: HashMap<Arc<str>, OfPolicy>,
    pub(super) routes: HashMap<Arc<str>, Vec<OfRoute>>,
}

/// The items of a policy.
#[derive(Debug)]
pub(super) struct OfPolicy {
    pub(super) applied: usize,
    /// The item for a question that matches the scope but not the conditions: only a policy with conditions has
    /// such an item.
    pub(super) aside: Option<usize>,
    /// The items of each leaf, in the order of the text: the leaf is true, and the leaf is false.
    pub(super) leaves: Vec<(usize, usize)>,
    /// The items of each allowlist, one for each role.
    pub(super) lists: Vec<Vec<usize>>,
}

/// The items of a route.
#[derive(Debug)]
pub(super) struct OfRoute {
    pub(super) allowed: usize,
    /// The item for a refusal of the route, if the policies can refuse the route.
    pub(super) refused: Option<usize>,
}

impl Index {
    pub(super) fn of(bundle: &Bundle, bodies: &[Arc<Body>]) -> Self {
        let mut index = Self::default();
        for body in bodies {
            let items = index.policy(body);
            index.policies.insert(Arc::clone(&body.rule.id), items);
        }
        let open = bodies.iter().filter(|body| body.clauses.is_empty());
        let open: HashSet<&str> = open.map(|body| &*body.rule.id).collect();
        let file = &bundle.sources().routes.name;
        for route in bundle.routes().routes() {
            let items = index.route(file, route, refusable(bundle, &open, &route.action));
            index.routes.entry(Arc::clone(&route.action)).or_default().push(items);
        }
        index
    }

    fn add(
        &mut self,
        file: &str,
        line: usize,
        about: &About,
        kind: ItemKind,
        what: String,
    ) -> usize {
        let item = Item { file: file.to_owned(), line, about: about.clone(), what, kind };
        self.items.push(item);
        self.items.len() - 1
    }

    fn policy(&mut self, body: &Body) -> OfPolicy {
        let rule = &body.rule;
        let about = About::Policy(Arc::clone(&rule.id));
        let file = rule.file.as_str();
        let mut policy = |what: &str| {
            self.add(
                file,
                rule.line,
                &about,
                ItemKind::Policy,
                format!("policy `{}` {what}", rule.id),
            )
        };
        let applied = policy("never applied");
        let aside = (!body.clauses.is_empty()).then(|| policy("was never asked without applying"));
        let mut leaves = Vec::new();
        for leaf in body.clauses.iter().flat_map(|clause| clause.node.leaves()) {
            let mut condition = |way: &str| {
                let what = format!("condition `{}` was never {way}", shown(&leaf.text));
                self.add(file, leaf.line, &about, ItemKind::Condition, what)
            };
            leaves.push((condition("true"), condition("false")));
        }
        let lists = body.lists.iter().map(|list| self.list(file, &about, list)).collect();
        OfPolicy { applied, aside, leaves, lists }
    }

    fn list(&mut self, file: &str, about: &About, list: &ListPlan) -> Vec<usize> {
        let role = |role: &RolePlan| {
            let what = if role.listed {
                format!("role `{}` of the allowlist was never what let a caller in", role.name)
            } else {
                format!("role `{}`, which is not on the allowlist, was never kept out", role.name)
            };
            self.add(file, list.line, about, ItemKind::Role, what)
        };
        list.roles.iter().map(role).collect()
    }

    fn route(&mut self, file: &str, route: &Route, refusable: bool) -> OfRoute {
        let about = About::Route(Arc::clone(&route.action));
        let mut add = |way: &str| {
            let what = format!("route `{}` was never {way}", route.action);
            self.add(file, route.line, &about, ItemKind::Route, what)
        };
        OfRoute { allowed: add("allowed"), refused: refusable.then(|| add("refused")) }
    }
}

/// Whether the policies can refuse an action at all. They cannot if the action has no guards and a `permit`
/// without conditions, one of `open`, opens it to everybody.
fn refusable(bundle: &Bundle, open: &HashSet<&str>, action: &str) -> bool {
    let Some(slice) = bundle.slice(action) else { return true };
    let mut ids = slice.permits.policies().map(|policy| -> &str { policy.id().as_ref() });
    let unconditional = ids.any(|id| open.contains(id));
    !(slice.public && unconditional && slice.early.is_empty() && slice.late.is_empty())
}
