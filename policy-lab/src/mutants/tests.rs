use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use policy_store::bundle::{Bundle, File, Loader, Sources};

use super::{Change, Mutant, MutantError, Touched, mutants};

const SCHEMA: &str = r#"
entity Role enum ["A", "B", "C"];
entity Feature enum ["f"];
entity Group, Organization, Endpoint, Guest;
entity User { roles: Set<Role> };
type Circumstances = { path: String, x: Bool, fields: Set<String> };
action act_in appliesTo { principal: [User], resource: [Organization], context: {} };
action unmapped appliesTo { principal: [User], resource: [Endpoint], context: Circumstances };
action go appliesTo { principal: [User], resource: [Endpoint], context: Circumstances };
action stay appliesTo { principal: [User], resource: [Endpoint], context: Circumstances };
"#;

fn bundle(policies: &str, routes: &str) -> Bundle {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: Arc::from(text) };
    let sources = Sources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("p.cedar", policies)],
        routes: file("routes.yaml", routes),
        tests: Vec::new(),
    };
    Loader::default().unproven(sources).unwrap_or_else(|findings| panic!("{findings}"))
}

const GO: &str = "routes:\n  - { action: go, method: GET, path: /go, operation: view }\n";

/// Returns the changed lines of a diff.
fn changed(mutant: &Mutant) -> Vec<String> {
    let diff = mutant.diff();
    let lines = diff.lines().skip(2).filter(|line| line.starts_with(['+', '-']));
    lines.map(str::to_owned).collect()
}

/// Checks the mutants of a policy with the condition `condition`: their ids, and the changed conditions.
#[track_caller]
fn check(condition: &str, expected: &[(&str, &str)]) {
    let head = "@id(\"p\") permit (principal, action, resource)\n";
    let bundle = bundle(&format!("{head}{condition};\n"), GO);
    let found: Vec<_> = mutants(&bundle)
        .unwrap()
        .into_iter()
        .filter(|it| !matches!(it.kind, Change::PolicyDropped | Change::EffectSwapped))
        .map(|mutant| {
            let sources = mutant.sources();
            let text = sources.policies[0].text.strip_prefix(head).unwrap();
            let text = text.strip_suffix(";\n").unwrap().to_owned();
            (mutant.id.strip_prefix("p.cedar/p: ").unwrap().to_owned(), text)
        })
        .collect();
    let found: Vec<_> = found.iter().map(|(id, text)| (&**id, &**text)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_condition_is_negated_once() {
    check("when { context.x }", &[("`context.x` negated", "when { !context.x }")]);
    check("unless { !context.x }", &[("`context.x` negated", "unless { context.x }")]);
    check("when { (context has x) }", &[("`context has x` negated", "when { !(context has x) }")]);
    check("when { context has x }", &[("`context has x` negated", "when { !(context has x) }")]);
    check(
        "when { !context.x == true }",
        &[("`!context.x == true` negated", "when { !(!context.x == true) }")],
    );
}

#[test]
fn operands_are_dropped_one_by_one() {
    check(
        "when { context.x && (true || false) }",
        &[
            (
                "condition 1 turned from `when` into `unless`",
                "unless { context.x && (true || false) }",
            ),
            ("operand `context.x` dropped", "when { (true || false) }"),
            ("operand `true || false` dropped", "when { context.x }"),
            ("`context.x` negated", "when { !context.x && (true || false) }"),
            ("operand `true` dropped", "when { context.x && (false) }"),
            ("operand `false` dropped", "when { context.x && (true) }"),
            ("`true` negated", "when { context.x && (!true || false) }"),
            ("`false` negated", "when { context.x && (true || !false) }"),
        ],
    );
}

#[test]
fn nothing_is_said_twice() {
    check(
        "unless { true || true }",
        &[
            ("condition 1 turned from `unless` into `when`", "when { true || true }"),
            ("operand `true` dropped", "unless { true }"),
            ("`true` negated", "unless { !true || true }"),
            ("`true` negated (2)", "unless { true || !true }"),
        ],
    );
}

#[test]
fn allowlists_lose_and_gain_roles() {
    check(
        "when { principal.roles.containsAny([Role::\"A\", Role::\"C\"]) }",
        &[
            (
                "`principal.roles.containsAny([Role::\"A\", Role::\"C\"])` negated",
                "when { !principal.roles.containsAny([Role::\"A\", Role::\"C\"]) }",
            ),
            ("role A dropped", "when { principal.roles.containsAny([Role::\"C\"]) }"),
            ("role C dropped", "when { principal.roles.containsAny([Role::\"A\"]) }"),
            (
                "role B added",
                "when { principal.roles.containsAny([Role::\"A\", Role::\"C\", Role::\"B\"]) }",
            ),
        ],
    );
}

#[test]
fn other_sets_lose_elements() {
    check(
        "when { [\"a\", \"b\",].containsAll(context.fields) } when { principal.roles == [Role::\"A\",] }",
        &[
            (
                "`[\"a\", \"b\",].containsAll(context.fields)` negated",
                "when { ![\"a\", \"b\",].containsAll(context.fields) } when { principal.roles == [Role::\"A\",] }",
            ),
            (
                "element \"a\" dropped",
                "when { [\"b\",].containsAll(context.fields) } when { principal.roles == [Role::\"A\",] }",
            ),
            (
                "element \"b\" dropped",
                "when { [\"a\",].containsAll(context.fields) } when { principal.roles == [Role::\"A\",] }",
            ),
            (
                "`principal.roles == [Role::\"A\",]` negated",
                "when { [\"a\", \"b\",].containsAll(context.fields) } when { !(principal.roles == [Role::\"A\",]) }",
            ),
            (
                "element Role::\"A\" dropped",
                "when { [\"a\", \"b\",].containsAll(context.fields) } when { principal.roles == [] }",
            ),
        ],
    );
}

/// Checks what a condition on the path is widened to.
#[track_caller]
fn check_path(test: &str, expected: &[&str]) {
    let policy = "@id(\"p\") permit (principal, action, resource) when { context.path";
    let bundle = bundle(&format!("{policy} {test} }};"), GO);
    let mutants = mutants(&bundle).unwrap();
    let wider = mutants.iter().filter(|it| it.kind == Change::PathWidened).map(|it| {
        let sources = it.sources();
        let rest = sources.policies[0].text.strip_prefix(policy);
        rest.unwrap().trim().strip_suffix(" };").unwrap().to_owned()
    });
    assert_eq!(wider.collect::<Vec<_>>(), expected, "{test}");
}

#[test]
fn paths_are_widened() {
    check_path("like \"/a/b/*\"", &["like \"/a/b*\"", "like \"/a/*\""]);
    check_path("like \"/a/*\"", &["like \"/a*\"", "like \"/*\""]);
    check_path("like \"/*\"", &["like \"*\""]);
    check_path("like \"/a/b*\"", &["like \"/a/*\""]);
    check_path("like \"/a/b\"", &["like \"/a/b*\"", "like \"/a/*\""]);
    check_path("== \"/a/b\"", &["like \"/a/b*\""]);
    check_path("== \"/a*b\"", &["like \"/a\\*b*\""]);
    check_path("!= \"/a/b\"", &[]);
    check_path("like \"a/*\"", &[]);
}

const TWO: &str = "// One.
@id(\"one\")
permit (
  principal,
  action in [
    Action::\"go\",
    Action::\"stay\"
  ],
  resource
);

// Two.
@id(\"two\")
@layer(\"role\")
@reason(\"r\")
@message(\"m\")
forbid (principal, action == Action::\"stay\", resource);
";

#[test]
fn the_mutants_of_a_bundle() {
    let routes = "routes:
  - action: go
    method: POST
    path: /go/{id}
    scope: lookup # of it
    feature: f
    operation: create
    body: json
    roles_in: roles
  - { action: stay, method: GET, path: '/stay', scope: tenant, operation: list }
";
    let found = mutants(&bundle(TWO, routes)).unwrap();
    let found: Vec<_> =
        found.iter().map(|it| format!("{}:{} {}", it.line, it.id, changed(it).join(" "))).collect();
    let expected = [
        "2:p.cedar/one: dropped -@id(\"one\") -permit ( -  principal, -  action in [ -    Action::\"go\", -    Action::\"stay\" -  ], -  resource -);",
        "3:p.cedar/one: made a forbid -permit ( +@layer(\"role\") +@reason(\"mutant\") +@message(\"mutant\") +forbid (",
        "6:p.cedar/one: action go dropped -    Action::\"go\",",
        "6:p.cedar/one: action stay dropped -    Action::\"go\", -    Action::\"stay\" +    Action::\"go\"",
        "13:p.cedar/two: dropped -@id(\"two\") -@layer(\"role\") -@reason(\"r\") -@message(\"m\") -forbid (principal, action == Action::\"stay\", resource);",
        "14:p.cedar/two: made a permit -@layer(\"role\") -@reason(\"r\") -@message(\"m\") -forbid (principal, action == Action::\"stay\", resource); +permit (principal, action == Action::\"stay\", resource);",
        "6:routes.yaml/go: feature f dropped -    feature: f",
        "5:routes.yaml/go: scope lookup widened to tenant -    scope: lookup # of it +    scope: tenant # of it",
        "9:routes.yaml/go: roles_in dropped -    roles_in: roles",
        "8:routes.yaml/go: body forwarded unread -    body: json -    roles_in: roles +    body: opaque",
        "10:routes.yaml/stay: scope tenant widened to none -  - { action: stay, method: GET, path: '/stay', scope: tenant, operation: list } +  - { action: stay, method: GET, path: '/stay', scope: none, operation: list }",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_mutant_knows_what_it_touches() {
    let found = mutants(&bundle(TWO, GO)).unwrap();
    let actions = |names: &[&str]| names.iter().map(|it| Arc::from(*it)).collect();
    let touched = |id: &str| &found.iter().find(|it| it.id == id).unwrap().touches;
    let one = Touched::Policy { id: Arc::from("one"), actions: actions(&["go"]) };
    assert_eq!(touched("p.cedar/one: dropped"), &one);
    let two = Touched::Policy { id: Arc::from("two"), actions: actions(&[]) };
    assert_eq!(touched("p.cedar/two: dropped"), &two);
}

#[test]
fn a_diff_is_unified() {
    let found = mutants(&bundle(TWO, GO)).unwrap();
    let mutant = found.iter().find(|it| it.id == "p.cedar/one: action go dropped").unwrap();
    let expected = "--- a/p.cedar
+++ b/p.cedar
@@ -3,7 +3,6 @@
 permit (
   principal,
   action in [
-    Action::\"go\",
     Action::\"stay\"
   ],
   resource
";
    assert_eq!(mutant.diff(), expected);
}

/// Returns the texts of a route after each of its changes, or the error.
fn routes(route: &str) -> Result<Vec<String>, MutantError> {
    let found = mutants(&bundle("", &format!("routes:\n{route}\n")))?;
    let text = |it: &Mutant| it.sources().routes.text.trim_end().to_owned();
    Ok(found.iter().map(|it| text(it).replace("routes:\n", "")).collect())
}

#[test]
fn routes_are_changed_as_they_are_written() {
    let rest = "action: go, method: GET, path: '/go', operation: view";
    let braces = |member: &str| routes(&format!("  - {member}")).unwrap();
    assert_eq!(braces(&format!("{{ feature: f, {rest} }}")), [format!("  - {{ {rest} }}")]);
    assert_eq!(braces(&format!("{{ {rest}, feature: \"f\" }}")), [format!("  - {{ {rest} }}")]);
    let block = |first: &str| {
        let rest =
            "action: go\n    method: GET\n    path: /go/{workflow}/{id}\n    operation: view";
        routes(&format!("  - {first}{rest}")).unwrap()
    };
    let rest = block("");
    assert!(rest.is_empty());
    let whole =
        "  - action: go\n    method: GET\n    path: /go/{workflow}/{id}\n    operation: view";
    assert_eq!(block("feature: f\n    "), [whole]);
    let scope = |scope: &str| whole.replace("- ", &format!("- scope: {scope}\n    "));
    assert_eq!(block("scope: workflow\n    "), [scope("tenant")]);
    assert_eq!(block("scope: 'workflow+lookup'\n    "), [scope("lookup"), scope("workflow")]);
    assert_eq!(block("scope: organization\n    "), [scope("none")]);
}

#[test]
fn a_route_that_cannot_be_changed_is_an_error() {
    let error =
        routes("  - { action: go, method: GET, path: /go, operation: view, \"feature\": f }");
    assert_eq!(error.unwrap_err(), MutantError::Route { line: 2, member: "feature" });
}

#[test]
fn all_mutants_of_the_default_bundle_can_be_asked() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    let found = mutants(&bundle).unwrap_or_else(|error| panic!("{error}"));
    let (mut ids, mut digests) = (HashSet::new(), HashSet::from([bundle.digest().to_string()]));
    let mut kinds: BTreeMap<Change, usize> = BTreeMap::new();
    let mut loader = Loader::default();
    for mutant in &found {
        let sources = mutant.sources();
        assert!(ids.insert(&mutant.id), "{}", mutant.id);
        assert!(digests.insert(sources.digest().to_string()), "{}", mutant.id);
        loader.unproven(sources).unwrap_or_else(|findings| panic!("{}: {findings}", mutant.id));
        *kinds.entry(mutant.kind).or_default() += 1;
    }
    println!("{} mutants: {kinds:#?}", found.len());
    assert!(kinds.len() == 14 && found.len() > 500, "{kinds:?}");
}
