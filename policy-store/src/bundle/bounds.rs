//! The size of a schema once Cedar has expanded it: each name replaced by the type that it stands for, each
//! member listed with all its ancestors. A few lines can expand to more than any memory holds.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// The maximum number of parts of types, over all actions and entities: a thousand times those of the default
/// bundle.
const PARTS: u64 = 1_000_000;
/// The maximum number of names that stand for one another in a chain.
const DEPTH: usize = 64;
/// The maximum number of pairs of a member and an ancestor, direct or not.
const MEMBERSHIPS: usize = 200_000;

/// Returns what is too large about a schema in Cedar's JSON form, if anything.
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

/// Computes how large types are once they are expanded.
struct Sizes<'a> {
    types: Option<&'a Map<String, Value>>,
    /// The size of each type by its name. A type that is being measured counts as 0: Cedar refuses cycles.
    known: HashMap<&'a str, u64>,
    /// The number of names that are being measured at this point.
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

    /// Returns the size of the type `name`. Any text may be the name of a type: where it is not meant as one,
    /// the result is only too large.
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

/// Whether there are too many pairs of a member and an ancestor.
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

/// Returns the direct parents of an entity type or action.
fn parents(member: &Value) -> impl Iterator<Item = &str> {
    let lists = ["memberOfTypes", "memberOf"].into_iter().filter_map(|list| member.get(list));
    let items = lists.filter_map(Value::as_array).flatten();
    items.filter_map(|item| item.as_str().or_else(|| item.get("id")?.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::too_much;

    /// Types that each refer to the next one twice.
    fn doubling(levels: usize) -> Value {
        let record = |level: usize| {
            let next = json!({ "type": "EntityOrCommon", "name": format!("T{}", level + 1) });
            json!({ "type": "Record", "attributes": { "a": next, "b": next } })
        };
        let types: Map<_, _> = (0..levels).map(|it| (format!("T{it}"), record(it))).collect();
        json!({ "": { "commonTypes": types, "entityTypes": {}, "actions": {} } })
    }

    /// Actions that are each a member of the next one.
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
