//! The actions that a guard is written for, by its scope and by its conditions on the action.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, StaticPolicy, Template, Var};
use cedar_policy::{ActionConstraint, EntityId, EntityUid, Policy};

use crate::bundle::policies::Checked;
use crate::bundle::type_name;

/// Lists of actions and groups: the guard covers an action that is in an entry of each list.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    lists: Vec<Vec<EntityUid>>,
    /// The same guard with a scope of all actions, if it could be built.
    pub(super) anywhere: Option<Policy>,
}

impl Scope {
    /// Returns the scope of a guard, or `None` if it names no action at all.
    pub(super) fn of(checked: &Checked) -> Option<Self> {
        if checked.actions.is_empty() {
            return None;
        }
        let policy = &checked.policy;
        let mut lists = match policy.action_constraint() {
            ActionConstraint::Any => Vec::new(),
            ActionConstraint::Eq(action) => vec![vec![action]],
            ActionConstraint::In(actions) => vec![actions],
        };
        let anywhere = opened(policy, &mut lists);
        Some(Self { lists, anywhere })
    }

    /// Whether the scope covers all actions.
    pub(super) fn is_open(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether the scope covers an action; `around` is the action with the groups that it is in.
    pub(super) fn reaches(&self, around: &HashSet<EntityUid>) -> bool {
        self.lists.iter().all(|list| list.iter().any(|uid| around.contains(uid)))
    }

    /// Returns how many actions and groups the scope names.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Whether the scope names one of these groups.
    pub(super) fn names_one_of(&self, groups: &HashSet<EntityUid>) -> bool {
        self.lists.iter().flatten().any(|uid| groups.contains(uid))
    }

    /// Returns the first name of the scope, as a schema writes it.
    pub(super) fn first(&self) -> String {
        let name = self.lists.first().and_then(|list| list.first());
        let name = name.map_or("", |uid| uid.id().unescaped());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.bytes().all(plain) { name.to_owned() } else { format!("{name:?}") }
    }
}

/// Returns the policy without its action scope, and without the conditions on the action that the whole
/// condition requires. The actions of these conditions are added to `lists`.
fn opened(policy: &Policy, lists: &mut Vec<Vec<EntityUid>>) -> Option<Policy> {
    let tree = policy.to_pst().ok()?;
    let body = tree.body();
    let mut clauses = Vec::new();
    for clause in body.clauses() {
        clauses.push(match clause {
            Clause::When(condition) => Clause::When(taken_out(condition, lists)),
            Clause::Unless(_) => clause.clone(),
        });
    }
    let (principal, resource) = (body.principal.clone(), body.resource.clone());
    let any = pst::ActionConstraint::Any;
    let opened = Template::new(body.id.clone(), body.effect, principal, any, resource)
        .with_annotations(body.annotations.clone())
        .try_with_clauses(clauses);
    let opened = StaticPolicy::try_from(opened.ok()?).ok()?;
    Policy::from_pst(opened.into()).ok()
}

/// Removes `action in …` and `action == …` from a condition, where the whole condition requires it.
fn taken_out(condition: &Arc<Expr>, lists: &mut Vec<Vec<EntityUid>>) -> Arc<Expr> {
    let Expr::BinaryOp { op, left, right } = &**condition else { return Arc::clone(condition) };
    match op {
        BinaryOp::And => {
            let (left, right) = (taken_out(left, lists), taken_out(right, lists));
            Arc::new(Expr::BinaryOp { op: BinaryOp::And, left, right })
        }
        BinaryOp::In | BinaryOp::Eq if **left == Expr::Var(Var::Action) => {
            let Some(named) = entities(right) else { return Arc::clone(condition) };
            lists.push(named);
            Arc::new(Expr::Literal(Literal::Bool(true)))
        }
        _ => Arc::clone(condition),
    }
}

/// Returns the actions that an expression writes out, as one or as a list.
fn entities(expr: &Expr) -> Option<Vec<EntityUid>> {
    match expr {
        Expr::Literal(Literal::EntityUID(uid)) => {
            let kind = type_name(&uid.ty.0.to_string())?;
            Some(vec![EntityUid::from_type_name_and_id(kind, EntityId::new(&uid.eid))])
        }
        Expr::Set(elements) => {
            let all: Option<Vec<_>> = elements.iter().map(|it| entities(it)).collect();
            all.map(|lists| lists.into_iter().flatten().collect())
        }
        _ => None,
    }
}
