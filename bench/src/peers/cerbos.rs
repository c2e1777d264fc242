//! Cerbos as a decision point over gRPC, and how Envoy asks it.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::super::subject::{RouteRule, Subject};
use super::program::CERBOS;
use super::routes::{by_openness, is_literal};
use super::site::{Site, free_address};

const CONFIGURATION: &str = include_str!("../../peers/cerbos.yaml");
const FILTER: &str = include_str!("../../peers/cerbos.lua");

/// Starts it with a policy of all routes, at this address.
pub(super) fn start(site: &Site<'_>, subject: &mut Subject) -> Result<SocketAddr, String> {
    subject.version = format!("{}, {}", subject.version, CERBOS.version()?);
    let (address, http) = (free_address(), free_address());
    fs::create_dir_all(site.folder.join("policies")).unwrap();
    site.write("policies/api.json", &policy(&site.setting.routes).to_string(), &[]);
    let values = [
        ("grpc", quoted(&address.to_string())),
        ("http", quoted(&http.to_string())),
        ("policies", quoted(&site.folder.join("policies").display().to_string())),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    site.write("cerbos.yaml", CONFIGURATION, &values);
    // It logs each request otherwise.
    let arguments = ["server", "--config", "cerbos.yaml", "--log-level", "warn"];
    subject.processes.push(site.start(&CERBOS, &arguments, address)?);
    Ok(address)
}

/// One resource whose actions are those of the routes, each with its roles.
fn policy(routes: &[RouteRule]) -> Value {
    let (_, closed) = by_openness(routes);
    let rules: Vec<Value> = closed
        .into_iter()
        .map(|route| json!({"actions": [route.action], "effect": "EFFECT_ALLOW", "roles": route.roles}))
        .collect();
    json!({
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {"resource": "api", "version": "default", "rules": rules},
    })
}

/// The filter that asks it; which request is which action is in two tables.
pub(super) fn filter(routes: &[RouteRule]) -> String {
    let mut literals = Map::new();
    let mut templates = Map::new();
    for route in routes {
        let action = if route.is_public() { Value::Bool(true) } else { json!(route.action) };
        if is_literal(route) {
            literals.insert(format!("{} {}", route.method, route.template), action);
            continue;
        }
        let mut node = branch(&mut templates, &route.method);
        for segment in route.template.split('/').filter(|segment| !segment.is_empty()) {
            let key = if segment.starts_with('{') { "*" } else { segment };
            node = branch(node, key);
        }
        node.insert("/".to_owned(), action);
    }
    let text = FILTER.replace("{{literals}}", &lua(&Value::Object(literals)));
    text.replace("{{templates}}", &lua(&Value::Object(templates)))
}

fn branch<'a>(node: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let below = node.entry(key).or_insert_with(|| json!({}));
    below.as_object_mut().unwrap()
}

/// A value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, value)| format!("[{}] = {}", quoted(name), lua(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}
