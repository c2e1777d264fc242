//! The pages of the reference are what the code says, and the JSON Schema of the configuration agrees with the gate.

use std::fs;

use policy_store::bundle::{Bundle, kind};
use proxy::judge::refusal;
use proxy::{config, metrics};
use serde_json::{Value, json};
use tests::{
    binary,
    book::{self, Page},
    json_schema::faults,
    stand::Stand,
};

/// Each page and file of the reference, with the text that the code gives.
fn pages() -> Vec<(&'static str, String)> {
    let bundle = Bundle::load(&book::root().join("policies")).unwrap();
    vec![
        ("configuration.md", config::page()),
        ("cedargate.schema.json", format!("{:#}\n", config::schema())),
        ("commands.md", cedargate::page()),
        ("denials.md", refusal::page(&bundle)),
        ("metrics.md", metrics::page().unwrap()),
        ("records.md", audit::page()),
        ("findings.md", kind::page()),
    ]
}

/// `UPDATE_EXPECTED=1` writes the pages anew.
#[test]
fn the_reference_is_up_to_date() {
    let mut stale = Vec::new();
    for (name, page) in pages() {
        let path = book::root().join("docs/reference").join(name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, &page).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != page {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "UPDATE_EXPECTED=1 writes these anew in docs/reference: {stale:?}");
}

/// A configuration as the schema sees it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|fault| panic!("{fault}:\n{text}"))
}

/// The schema for a part of a configuration: nothing is required.
fn of_parts(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            members.remove("required");
            members.values_mut().for_each(|it| *it = of_parts(it.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| *it = of_parts(it.take())),
        _ => {}
    }
    schema
}

#[test]
fn every_configuration_that_is_shown_is_one_by_the_schema() {
    let schema = config::schema();
    let example = yaml(&Page::of("deploy/cedargate.yaml").text);
    assert_eq!(faults(&schema, &example), Vec::<String>::new());
    let text = Page::of("deploy/cedargate.yaml").text;
    let sections: Vec<&str> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let parts = of_parts(schema.clone());
    let mut blocks = 0;
    for name in ["deploy/examples/calls/cedargate.yaml", "deploy/examples/hospital/cedargate.yaml"]
    {
        assert_eq!(faults(&schema, &yaml(&Page::of(name).text)), Vec::<String>::new(), "{name}");
    }
    for page in Page::all() {
        for block in page.blocks("yaml") {
            let begins = block.lines().find(|line| !line.starts_with('#') && !line.is_empty());
            let key = begins.and_then(|line| line.split(':').next()).unwrap_or_default();
            // A file of policy tests has a section `facts` too.
            if sections.contains(&key) && !block.contains("\ntests:") {
                blocks += 1;
                assert_eq!(
                    faults(&parts, &yaml(&block)),
                    Vec::<String>::new(),
                    "{}:\n{block}",
                    page.name
                );
            }
        }
    }
    assert!(blocks > 3, "{blocks}");
    assert!(
        text.starts_with(
            "# yaml-language-server: $schema=../docs/reference/cedargate.schema.json\n"
        )
    );
}

#[tokio::test]
async fn the_configuration_of_the_demo_is_one_by_the_schema() {
    binary::program().await;
    let here = tempfile::tempdir().unwrap();
    let (status, _, said) =
        binary::run_long(here.path(), &["demo", "--prepare", "--dir", "demo"]).await;
    assert_eq!(status, 0, "{said}");
    let text = fs::read_to_string(here.path().join("demo/cedargate.yaml")).unwrap();
    assert_eq!(faults(&config::schema(), &yaml(&text)), Vec::<String>::new(), "{text}");
}

#[test]
fn the_example_has_every_key() {
    let schema = config::schema();
    let example = Page::of("deploy/cedargate.yaml").text;
    let sections = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys: Vec<_> =
        sections.filter_map(|it| it["properties"].as_object()).flat_map(|it| it.keys()).collect();
    assert!(keys.len() > 80, "{keys:?}");
    for key in keys {
        assert!(example.contains(&format!("{key}:")), "`{key}` is not in the example");
    }
}

/// Changes of a good configuration, and whether they make a bad one of it. Schema and gate agree about each.
fn changes() -> Vec<(&'static str, Value, bool)> {
    vec![
        ("limits.header_byte", json!("32KiB"), true),
        ("lissten", json!({}), true),
        ("log", json!({"level": "loud"}), true),
        ("log", json!({"level": "warn", "format": "json"}), false),
        ("listen.proxy", json!(8080), true),
        ("upstream.connect_timeout", json!("1 s 500 ms"), false),
        ("upstream.connect_timeout", json!("soon"), true),
        ("limits.header_count", json!(0), true),
        ("limits.header_count", json!(200), false),
        ("limits.json_body", json!(1024), false),
        ("limits.json_body", json!("many"), true),
        ("memory.decisions", json!("0B"), false),
        ("fast_paths", json!(false), true),
        ("audit.database", json!(true), false),
        ("audit.durability", json!("forever"), true),
        ("policies.admit", json!("no-grants"), false),
        ("cors", Value::Null, false),
        ("shutdown", Value::Null, false),
        ("audit", Value::Null, true),
        ("cors", json!({"origins": []}), true),
        ("facts.mapping", json!({"user": 7}), true),
        ("trusted_proxies", json!(["everybody"]), true),
        ("workers", json!("two"), true),
        ("redirect", json!({"unauthenticated": "login"}), true),
    ]
}

#[tokio::test]
async fn the_schema_and_the_gate_refuse_the_same() {
    binary::program().await;
    let schema = config::schema();
    let good = Stand::builder().prepare().await;
    let good = yaml(&fs::read_to_string(good.config()).unwrap());
    assert_eq!(faults(&schema, &good), Vec::<String>::new());
    for (key, value, is_bad) in changes() {
        let ground = Stand::builder().set(key, value.clone()).prepare().await;
        let text = fs::read_to_string(ground.config()).unwrap();
        let by_schema = faults(&schema, &yaml(&text));
        assert_eq!(!by_schema.is_empty(), is_bad, "{key}: {value}: {by_schema:?}");
        let by_gate = config::Config::load(Some(&ground.config()), []);
        assert_eq!(by_gate.is_err(), is_bad, "{key}: {value}: {by_gate:?}");
    }
}

#[tokio::test]
async fn the_schema_is_printed() {
    binary::program().await;
    let here = tempfile::tempdir().unwrap();
    let (status, printed, _) = binary::run(here.path(), &["config", "schema"]).await;
    assert_eq!(status, 0);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), config::schema());
}
