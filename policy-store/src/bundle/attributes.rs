//! The attributes that the schema declares for an entity type.

use std::collections::BTreeMap;

use serde_json::Value;

/// The maximum number of names of types that are followed from one to the next.
const DEPTH: usize = 16;

/// An attribute as the schema declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The type of the attribute, as Cedar's schema language writes it: `Set<Role>`.
    pub kind: String,
    /// Whether the attribute must be present.
    pub required: bool,
}

/// Returns the attributes of the entity type `name`, by name. `schema` is a schema in Cedar's JSON form.
pub(super) fn declared(schema: &Value, name: &str) -> BTreeMap<String, Attribute> {
    let Some(namespace) = schema.get("") else { return BTreeMap::new() };
    let types = namespace.get("entityTypes");
    let shape = types.and_then(|types| types.get(name)?.get("shape"));
    let record = shape.map(|shape| resolved(namespace, shape, DEPTH));
    let members = record.and_then(|it| it.get("attributes")?.as_object());
    let attribute = |(name, kind): (&String, &Value)| {
        let required = kind.get("required").is_none_or(|it| it != &Value::Bool(false));
        (name.clone(), Attribute { kind: written(namespace, kind, DEPTH), required })
    };
    members.into_iter().flatten().map(attribute).collect()
}

/// Returns the type that a name stands for.
fn resolved<'a>(namespace: &'a Value, kind: &'a Value, depth: usize) -> &'a Value {
    let named = word(kind).and_then(|name| namespace.get("commonTypes")?.get(name));
    match (named, depth.checked_sub(1)) {
        (Some(meant), Some(depth)) => resolved(namespace, meant, depth),
        _ => kind,
    }
}

/// Returns the name of a type: `{"type": "EntityOrCommon", "name": "Role"}`, or `{"type": "Role"}`.
fn word(kind: &Value) -> Option<&str> {
    kind.get("name").or_else(|| kind.get("type"))?.as_str()
}

fn written(namespace: &Value, kind: &Value, depth: usize) -> String {
    let kind = resolved(namespace, kind, depth);
    if let (Some(element), Some(depth)) = (kind.get("element"), depth.checked_sub(1)) {
        return format!("Set<{}>", written(namespace, element, depth));
    }
    let name = word(kind).unwrap_or("?");
    let name = name.strip_prefix("__cedar::").unwrap_or(name);
    if name == "Boolean" { "Bool".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use cedar_policy::SchemaFragment;

    use super::declared;

    #[test]
    fn attributes_are_written_as_they_are_declared() {
        let text = r#"
            type Names = Set<Role>;
            entity Role enum ["A"];
            entity User = { roles: Names, status?: String, deleted: Bool, far: __cedar::Long };
            entity Group;
            entity Organization in [Group] = { group?: Group, many: Set<Set<String>>, r: { a: Long } };
        "#;
        let (schema, _) = SchemaFragment::from_cedarschema_str(text).unwrap();
        let schema = schema.to_json_value().unwrap();
        let said = |name: &str| -> Vec<String> {
            let optional = |required: bool| if required { "" } else { "?" };
            let attributes = declared(&schema, name).into_iter();
            attributes
                .map(|(name, it)| format!("{name}{}: {}", optional(it.required), it.kind))
                .collect()
        };
        assert_eq!(
            said("User"),
            ["deleted: Bool", "far: Long", "roles: Set<Role>", "status?: String"]
        );
        assert_eq!(said("Organization"), ["group?: Group", "many: Set<Set<String>>", "r: Record"]);
        assert!(said("Role").is_empty() && said("Nobody").is_empty());
    }
}
