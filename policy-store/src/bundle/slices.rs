//! Policies sliced by action when the bundle is loaded: a decision then costs only the policies about its
//! action, however many others there are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::{
    ActionConstraint, Effect, Entity, EntityTypeName, EntityUid, Policy, PolicySet,
    PrincipalConstraint,
};

use super::finding::{Finding, Findings};
use super::policies::{Checked, Parsed};
use super::room::breathe;
use super::type_name;
use super::view::View;
use super::vocabulary::Declared;

/// The policies that can apply to one action.
#[derive(Debug)]
pub struct Slice {
    /// The number of the policies up to the layer `role`. Other policies never have the same number in this
    /// process: a conclusion from these policies holds as long as the number is the same, whatever else in the
    /// bundle is edited.
    pub early_number: u64,
    /// The number of the policies after the layer `role`, with the same guarantee as `early_number`.
    pub late_number: u64,
    /// The action.
    pub action: EntityUid,
    /// Whether the action is public: the caller need not be signed in.
    pub public: bool,
    /// The allowlists.
    pub permits: PolicySet,
    /// The guards of the layers up to `role`.
    pub early: PolicySet,
    /// The guards of the layers after `role`.
    pub late: PolicySet,
    /// The action and the groups that it is in, for `action in …`.
    pub entities: Vec<Entity>,
    /// What the policies up to the layer `role` see; no object is looked up for them.
    pub early_view: View,
    /// What the policies after the layer `role` see; if the route looks an object up, they see the object's
    /// attributes.
    pub late_view: View,
}

/// The number of halves of slices made so far.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Makes slices, and reuses those whose policies have not changed.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    declared: &'a Arc<Declared>,
    parsed: &'a Parsed,
    /// The places of the policies whose scope names an action or a group, by that name.
    by_action: HashMap<EntityUid, Vec<usize>>,
    /// The places of the policies whose scope names no action.
    of_any: Vec<usize>,
}

/// A slice and the policies that it was made from.
#[derive(Debug, Clone)]
pub(super) struct Made {
    declared: Arc<Declared>,
    chosen: Vec<Arc<Checked>>,
    pub(super) slice: Arc<Slice>,
}

/// Slices by action.
pub(super) type Slices = HashMap<Arc<str>, Made>;

impl<'a> Maker<'a> {
    pub(super) fn new(declared: &'a Arc<Declared>, parsed: &'a Parsed) -> Self {
        let count = parsed.policies.len();
        let mut by_action: HashMap<EntityUid, Vec<usize>> = HashMap::with_capacity(count);
        let mut of_any = Vec::new();
        for (index, checked) in parsed.policies.iter().enumerate() {
            breathe();
            match checked.policy.action_constraint() {
                ActionConstraint::Any => of_any.push(index),
                ActionConstraint::Eq(action) => by_action.entry(action).or_default().push(index),
                ActionConstraint::In(actions) => {
                    for action in actions {
                        by_action.entry(action).or_default().push(index);
                    }
                }
            }
        }
        Self { declared, parsed, by_action, of_any }
    }

    /// Returns the slice of `action`, which the schema declares.
    pub(super) fn slice(&self, action: &str, known: &Slices) -> Result<Made, Findings> {
        self.make(action, known).map_err(|message| {
            let message = format!("action `{action}`: {message}");
            Findings(vec![Finding::whole("schema.cedarschema", &message, "")])
        })
    }

    fn make(&self, action: &str, known: &Slices) -> Result<Made, String> {
        let id = cedar_policy::EntityId::new(action);
        let kind = type_name("Action").ok_or("`Action` is no type")?;
        let uid = EntityUid::from_type_name_and_id(kind, id);
        let mut around: HashSet<&EntityUid> =
            self.declared.actions.ancestors(&uid).map(Iterator::collect).unwrap_or_default();
        around.insert(&uid);
        let schema = &self.declared.schema;
        let principals: HashSet<&EntityTypeName> =
            schema.principals_for_action(&uid).map(Iterator::collect).unwrap_or_default();
        let chosen = self.chosen(&around, &principals);
        let before = known.get(action).filter(|it| Arc::ptr_eq(&it.declared, self.declared));
        let same =
            |late| before.filter(|before| half(&before.chosen, late).eq(half(&chosen, late)));
        let (same_early, same_late) = (same(false), same(true));
        if let (Some(made), Some(_)) = (same_early, same_late) {
            return Ok(made.clone());
        }
        let fresh = || MADE.fetch_add(1, Ordering::Relaxed);
        let set = |wanted: &dyn Fn(&Checked) -> bool| {
            let policies = chosen.iter().filter(|it| wanted(it)).map(|it| it.policy.clone());
            PolicySet::from_policies(policies).map_err(|error| error.to_string())
        };
        let forbids = |it: &Checked| it.policy.effect() == Effect::Forbid;
        let glances =
            |late| chosen.iter().filter(move |it| is_late(it) == late).map(|it| &it.glance);
        let slice = Slice {
            early_number: same_early.map_or_else(fresh, |it| it.slice.early_number),
            late_number: same_late.map_or_else(fresh, |it| it.slice.late_number),
            early_view: View::of(glances(false), true),
            late_view: View::of(glances(true), false),
            public: type_name("Guest").is_some_and(|guest| principals.contains(&guest)),
            permits: set(&|it| !forbids(it))?,
            early: set(&|it| forbids(it) && it.layer().is_early())?,
            late: set(&|it| is_late(it))?,
            entities: around
                .iter()
                .filter_map(|uid| self.declared.actions.get(uid))
                .cloned()
                .collect(),
            action: uid.clone(),
        };
        Ok(Made { declared: Arc::clone(self.declared), chosen, slice: Arc::new(slice) })
    }

    /// Returns the policies that can apply to an action in `around`, or in a group in it, in their order.
    fn chosen(
        &self,
        around: &HashSet<&EntityUid>,
        principals: &HashSet<&EntityTypeName>,
    ) -> Vec<Arc<Checked>> {
        let named = around.iter().filter_map(|uid| self.by_action.get(*uid)).flatten();
        let mut places: Vec<usize> = named.chain(&self.of_any).copied().collect();
        places.sort_unstable();
        places.dedup();
        let policies = places.into_iter().filter_map(|place| self.parsed.policies.get(place));
        policies.filter(|it| admits(&it.policy, principals)).cloned().collect()
    }
}

/// Whether the policy is judged after the layer `role`.
fn is_late(checked: &Checked) -> bool {
    checked.policy.effect() == Effect::Forbid && !checked.layer().is_early()
}

/// Returns the policies of one half: those after the layer `role`, or the others. They are compared by
/// identity, not by content.
fn half(chosen: &[Arc<Checked>], late: bool) -> impl Iterator<Item = *const Checked> {
    chosen.iter().filter(move |it| is_late(it) == late).map(Arc::as_ptr)
}

/// Whether a policy can apply to one of these types of principal.
fn admits(policy: &Policy, principals: &HashSet<&EntityTypeName>) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => {
            principals.contains(&kind)
        }
        PrincipalConstraint::Eq(uid) => principals.contains(uid.type_name()),
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
    }
}
