//! Which actions a guard is written for: by its scope, and by what its condition asks of the action.

use std::collections::HashSet;

use cedar_policy::{ActionConstraint, EntityId, EntityUid, Policy};
use serde_json::{Value, json};

use crate::bundle::policies::Checked;
use crate::bundle::type_name;

/// Actions and groups, of which an action has to be in one of each list.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    lists: Vec<Vec<EntityUid>>,
    /// The same guard for all actions.
    pub(super) anywhere: Option<Policy>,
}

impl Scope {
    /// `None` for a guard that names no action at all.
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
        let anywhere = policy.to_json().ok().and_then(|mut guard| {
            guard.as_object_mut()?.insert("action".to_owned(), json!({ "op": "All" }));
            let conditions = guard.get_mut("conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                if condition.get("kind").is_some_and(|kind| kind == "when")
                    && let Some(body) = condition.get_mut("body")
                {
                    lists.extend(taken_out(body));
                }
            }
            Policy::from_json(Some(policy.id().clone()), guard).ok()
        });
        Some(Self { lists, anywhere })
    }

    /// Whether it holds for all actions.
    pub(super) fn is_open(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether an action is among them, with the groups that it is in.
    pub(super) fn reaches(&self, around: &HashSet<EntityUid>) -> bool {
        self.lists.iter().all(|list| list.iter().any(|uid| around.contains(uid)))
    }

    /// How many actions and groups are named.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Whether one of them is one of these groups.
    pub(super) fn names_one_of(&self, groups: &HashSet<EntityUid>) -> bool {
        self.lists.iter().flatten().any(|uid| groups.contains(uid))
    }

    /// The first of them, as a schema writes it.
    pub(super) fn first(&self) -> String {
        let name = self.lists.first().and_then(|list| list.first());
        let name = name.map_or("", |uid| uid.id().unescaped());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.bytes().all(plain) { name.to_owned() } else { format!("{name:?}") }
    }
}

/// Takes `action in …` and `action == …` out of a condition, where it has to hold for the whole to hold.
fn taken_out(body: &mut Value) -> Vec<Vec<EntityUid>> {
    if let Some(both) = body.get_mut("&&") {
        let mut found = both.get_mut("left").map(taken_out).unwrap_or_default();
        found.extend(both.get_mut("right").map(taken_out).unwrap_or_default());
        return found;
    }
    let asked = body.get("in").or_else(|| body.get("=="));
    let of_action = asked.filter(|it| it.pointer("/left/Var").is_some_and(|it| it == "action"));
    let named = of_action.and_then(|it| it.get("right")).and_then(entities);
    if named.is_some() {
        *body = json!({ "Value": true });
    }
    named.into_iter().collect()
}

/// The actions that are written out, one or in a list.
fn entities(value: &Value) -> Option<Vec<EntityUid>> {
    let one = |value: &Value| {
        let entity = value.pointer("/Value/__entity")?;
        let part = |name: &str| entity.get(name).and_then(Value::as_str);
        let kind = type_name(part("type")?)?;
        Some(EntityUid::from_type_name_and_id(kind, EntityId::new(part("id")?)))
    };
    match value.get("Set").and_then(Value::as_array) {
        Some(list) => list.iter().map(one).collect(),
        None => one(value).map(|uid| vec![uid]),
    }
}
