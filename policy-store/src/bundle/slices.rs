//! Policies sliced by action when the bundle is loaded: a decision then costs what the policies
//! about its action cost, however many others there are.

use std::collections::HashSet;

use cedar_policy::{
    ActionConstraint, Effect, Entities, Entity, EntityTypeName, EntityUid, Policy, PolicySet,
    PrincipalConstraint, Schema,
};

use super::finding::{Finding, Findings};
use super::policies::Parsed;
use super::type_name;

/// The policies that can have a say about one action.
#[derive(Debug)]
pub struct Slice {
    /// The action.
    pub action: EntityUid,
    /// Whether nobody has to be signed in for it.
    pub public: bool,
    /// The allowlists.
    pub permits: PolicySet,
    /// The guards of the layers up to `role`.
    pub early: PolicySet,
    /// The guards of the layers after it.
    pub late: PolicySet,
    /// The action and the groups it is in, for `action in …`.
    pub entities: Vec<Entity>,
}

/// Makes slices.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    schema: &'a Schema,
    parsed: &'a Parsed,
    actions: Entities,
}

impl<'a> Maker<'a> {
    pub(super) fn new(schema: &'a Schema, parsed: &'a Parsed) -> Result<Self, String> {
        let actions = schema.action_entities().map_err(|error| error.to_string())?;
        Ok(Self { schema, parsed, actions })
    }

    /// The slice of `action`, which the schema declares.
    pub(super) fn slice(&self, action: &str) -> Result<Slice, Findings> {
        self.make(action).map_err(|message| {
            Findings(vec![Finding {
                file: "schema.cedarschema".to_owned(),
                line: 0,
                column: 0,
                message: format!("action `{action}`: {message}"),
                remedy: String::new(),
                source: String::new(),
            }])
        })
    }

    fn make(&self, action: &str) -> Result<Slice, String> {
        let id = cedar_policy::EntityId::new(action);
        let kind = type_name("Action").ok_or("`Action` is no type")?;
        let uid = EntityUid::from_type_name_and_id(kind, id);
        let mut around: HashSet<&EntityUid> =
            self.actions.ancestors(&uid).map(Iterator::collect).unwrap_or_default();
        around.insert(&uid);
        let principals: HashSet<&EntityTypeName> =
            self.schema.principals_for_action(&uid).map(Iterator::collect).unwrap_or_default();
        let applies = |policy: &&Policy| {
            concerns(&policy.action_constraint(), &around) && admits(policy, &principals)
        };
        let chosen: Vec<&Policy> = self.parsed.policies.iter().filter(applies).collect();
        let set = |wanted: &dyn Fn(&Policy) -> bool| {
            let policies =
                chosen.iter().filter(|policy| wanted(policy)).map(|policy| (*policy).clone());
            PolicySet::from_policies(policies).map_err(|error| error.to_string())
        };
        let early = |policy: &Policy| {
            self.parsed.rules.get(policy.id()).is_some_and(|rule| rule.layer.is_early())
        };
        let forbids = |policy: &Policy| policy.effect() == Effect::Forbid;
        Ok(Slice {
            public: type_name("Guest").is_some_and(|guest| principals.contains(&guest)),
            permits: set(&|policy| !forbids(policy))?,
            early: set(&|policy| forbids(policy) && early(policy))?,
            late: set(&|policy| forbids(policy) && !early(policy))?,
            entities: around.iter().filter_map(|uid| self.actions.get(uid)).cloned().collect(),
            action: uid.clone(),
        })
    }
}

/// Whether a policy of this constraint can be about an action that is, or is in, one of `around`.
fn concerns(constraint: &ActionConstraint, around: &HashSet<&EntityUid>) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.iter().any(|action| around.contains(action)),
        ActionConstraint::Eq(action) => around.contains(action),
    }
}

/// Whether a policy can be about one of these types of principal.
fn admits(policy: &Policy, principals: &HashSet<&EntityTypeName>) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => {
            principals.contains(&kind)
        }
        PrincipalConstraint::Eq(uid) => principals.contains(uid.type_name()),
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
    }
}
