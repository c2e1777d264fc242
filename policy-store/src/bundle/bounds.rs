//! How much a schema is once Cedar has written it out: each name for what it stands for, each
//! member with all it is in. A few lines can be more than any memory holds.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Parts of types, all actions and entities together. A thousand times what the default bundle has.
const PARTS: u64 = 1_000_000;
/// Names that stand for names.
const DEPTH: usize = 64;
/// Pairs of a member and what it is in, directly or not.
const MEMBERSHIPS: usize = 200_000;

/// What is too much about a schema in Cedar's JSON form.
pub(super) fn too_much(schema: &Value) -> Option<String> {
    let spaces = schema.as_object()?;
    spaces.values().find_map(|space| {
        let part = |name: &str| space.get(name).and_then(Value::as_object);
        let mut sizes = Sizes { types: part("commonTypes"), known: HashMap::new(), depth: 0 };
        let users = ["entityTypes", "actions", "commonTypes"].into_iter().filter_map(part);
        let parts =
            users.flat_map(Map::values).fold(0_u64, |all, it| all.saturating_add(sizes.of(it)));
        let too_many = ["entityTypes", "actions"].into_iter().filter_map(part).any(deep);
        if parts > PARTS {
            Some(format!(
                "its types have more than {PARTS} parts when written out, or are {DEPTH} names deep"
            ))
        } else if too_many {
            Some(format!("it has more than {MEMBERSHIPS} members of members"))
        } else {
            None
        }
    })
}

/// How large types are, written out.
struct Sizes<'a> {
    types: Option<&'a Map<String, Value>>,
    /// By the name of the type. One that is being looked at counts nothing: Cedar refuses circles.
    known: HashMap<&'a str, u64>,
    /// So many names are being looked at.
    depth: usize,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, value: &'a Value) -> u64 {
        match value {
            Value::Object(members) => {
                members.values().fold(1, |all, it| all.saturating_add(self.of(it)))
            }
            Value::Array(items) => items.iter().fold(1, |all, it| all.saturating_add(self.of(it))),
            Value::String(name) => self.named(name),
            _ => 1,
        }
    }

    /// Any text may be the name of a type; that some are not only counts too much.
    fn named(&mut self, name: &str) -> u64 {
        let Some((name, kind)) = self.types.and_then(|types| types.get_key_value(name)) else {
            return 1;
        };
        if let Some(size) = self.known.get(&**name) {
            return *size;
        }
        if self.depth == DEPTH {
            return PARTS + 1;
        }
        self.known.insert(name, 0);
        self.depth += 1;
        let size = self.of(kind);
        self.depth -= 1;
        self.known.insert(name, size);
        size
    }
}

/// Whether members are in too many others, through others.
fn deep(all: &Map<String, Value>) -> bool {
    let mut steps = 0;
    all.keys().any(|name| {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut next = vec![&**name];
        while let Some(name) = next.pop() {
            let parents = all.get(name).into_iter().flat_map(parents);
            next.extend(parents.filter(|parent| seen.insert(parent)));
            if steps + seen.len() > MEMBERSHIPS {
                return true;
            }
        }
        steps += seen.len();
        false
    })
}

/// What an entity type or action is directly in.
fn parents(member: &Value) -> impl Iterator<Item = &str> {
    let lists = ["memberOfTypes", "memberOf"].into_iter().filter_map(|list| member.get(list));
    let items = lists.filter_map(Value::as_array).flatten();
    items.filter_map(|item| item.as_str().or_else(|| item.get("id")?.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::too_much;

    /// Types of two of the next one each.
    fn doubling(levels: usize) -> Value {
        let record = |level: usize| {
            let next = json!({ "type": "EntityOrCommon", "name": format!("T{}", level + 1) });
            json!({ "type": "Record", "attributes": { "a": next, "b": next } })
        };
        let types: Map<_, _> = (0..levels).map(|it| (format!("T{it}"), record(it))).collect();
        json!({ "": { "commonTypes": types, "entityTypes": {}, "actions": {} } })
    }

    /// Actions that are in the next one each.
    fn chain(length: usize) -> Value {
        let member = |it: usize| json!({ "memberOf": [{ "id": format!("a{}", it + 1) }] });
        let actions: Map<_, _> = (0..length).map(|it| (format!("a{it}"), member(it))).collect();
        json!({ "": { "entityTypes": {}, "actions": actions } })
    }

    #[test]
    fn what_grows_beyond_bounds_is_seen() {
        assert_eq!(too_much(&doubling(10)), None);
        assert!(too_much(&doubling(30)).is_some());
        assert!(too_much(&doubling(10_000)).is_some());
        assert_eq!(too_much(&chain(100)), None);
        assert!(too_much(&chain(10_000)).is_some());
    }
}
