use std::path::Path;

use serde_json::{Map, Value, json};

use super::{page, schema};
use crate::config::Config;

/// The required keys, each with a value.
fn least() -> Value {
    json!({
        "jwt": {"issuers": [{"jwks": "keys/jwks.json"}]}, "facts": {"database": "sqlite://var/cedargate.db"},
        "policies": {"directory": "policies"}, "audit": {"directory": "var/audit"},
    })
}

fn parsed(config: &Value) -> String {
    let parsed = Config::parse(Path::new("cedargate.yaml"), &config.to_string(), [], &[]);
    format!("{:#?}", parsed.unwrap())
}

/// The definition that the schema of a key refers to.
fn definition<'a>(schema: &'a Value, key: &'a Value) -> Option<&'a Value> {
    let reference = key.get("$ref").or_else(|| key.pointer("/anyOf/0/$ref"))?;
    schema.pointer(reference.as_str()?.strip_prefix('#')?)
}

/// A section in which each key with a default is set to its default.
fn filled(schema: &Value, section: &Value, least: &Value) -> Value {
    let mut members = Map::new();
    for (name, key) in section["properties"].as_object().unwrap() {
        let least = &least[name];
        if let Some(default) = key.get("default") {
            members.insert(name.clone(), default.clone());
        } else if let Some(items) = least.as_array() {
            let item = definition(schema, &key["items"]).unwrap();
            let items = items.iter().map(|it| filled(schema, item, it));
            members.insert(name.clone(), items.collect());
        } else if let Some(section) =
            definition(schema, key).filter(|it| it.get("properties").is_some())
            && !["cors", "redirect", "assertion", "mapping", "speaks_for"].contains(&name.as_str())
        {
            members.insert(name.clone(), filled(schema, section, least));
        } else if !least.is_null() {
            members.insert(name.clone(), least.clone());
        }
    }
    Value::Object(members)
}

#[test]
fn each_default_in_the_schema_is_the_default() {
    let schema = schema();
    let filled = filled(&schema, &schema, &least());
    assert_eq!(filled["limits"]["header_timeout"], "10s", "{filled:#}");
    assert_eq!(parsed(&filled), parsed(&least()));
}

#[test]
fn each_key_has_a_meaning_and_a_default_unless_it_may_be_absent() {
    let schema = schema();
    let sections =
        schema["$defs"].as_object().unwrap().iter().map(|(name, it)| (name.as_str(), it));
    for (section, it) in sections.chain([("", &schema)]) {
        let Some(keys) = it["properties"].as_object() else { continue };
        assert_eq!(it["additionalProperties"], false, "{section}");
        for (name, key) in keys {
            let what = format!("{section}.{name}: {key}");
            assert!(key["description"].as_str().is_some_and(|it| it.ends_with('.')), "{what}");
            let required = it["required"].as_array().is_some_and(|it| it.contains(&json!(name)));
            let absent = key.to_string().contains("null") || definition(&schema, key).is_some();
            let empty =
                ["issuer_values", "users", "claims", "organizations", "never_roles", "lists"];
            let map = key.get("additionalProperties").is_some() || empty.contains(&name.as_str());
            assert!(key.get("default").is_some() || required || absent || map, "{what}");
        }
    }
}

#[test]
fn the_page_has_each_key_once() {
    let page = page();
    for key in
        ["listen.proxy", "jwt.issuers[].speaks_for.users", "facts.mapping.objects", "workers"]
    {
        assert_eq!(page.matches(&format!("| `{key}` |")).count(), 1, "{key}");
    }
    assert!(page.contains("| `limits.header_count` | integer | `100` | 1 to 200 |"), "{page}");
}
