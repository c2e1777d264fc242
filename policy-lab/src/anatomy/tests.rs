use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{AuthorizationError, Authorizer, Context, Entities, EntityUid, Request};
use policy_store::bundle::{Bundle, File, Loader, Slice, Sources};

use super::{Anatomy, AnatomyError, Examined, Node};

const SCHEMA: &str = r#"
entity Role enum ["A", "B", "C"];
entity Feature enum ["f"];
entity Group, Organization, Endpoint, Guest;
entity User { roles: Set<Role>, boss?: User, job?: Role };
type Circumstances = { x?: Bool, y?: Bool, n?: Long, path?: String };
action request;
action act_in appliesTo { principal: [User], resource: [Organization], context: {} };
action unmapped in [request] appliesTo { principal: [User], resource: [Endpoint], context: Circumstances };
action open appliesTo { principal: [Guest], resource: [Endpoint], context: Circumstances };
action go in [request] appliesTo { principal: [User], resource: [Endpoint], context: Circumstances };
"#;

const ROUTES: &str = "
routes:
  - { action: go, method: GET, path: /go, operation: view }
  - { action: open, method: GET, path: /open, operation: view }
";

/// Returns a bundle with these policies.
pub(super) fn bundle(policies: &str) -> Bundle {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: Arc::from(text) };
    let sources = Sources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("p.cedar", policies)],
        routes: file("routes.yaml", ROUTES),
        tests: Vec::new(),
    };
    Loader::default().unproven(sources).unwrap_or_else(|findings| panic!("{findings}"))
}

/// Returns a question by a user with these roles, and the entities.
pub(super) fn question(bundle: &Bundle, roles: &str, context: &str) -> (Request, Entities) {
    let roles: Vec<String> = roles.chars().map(String::from).collect();
    ask(bundle.slice("go").unwrap(), &roles, context)
}

/// Returns a question about the action of `slice`.
pub(super) fn ask(slice: &Slice, roles: &[String], context: &str) -> (Request, Entities) {
    let uid = |text: &str| -> EntityUid { text.parse().unwrap() };
    let roles: Vec<_> = roles
        .iter()
        .map(|role| serde_json::json!({ "__entity": { "type": "Role", "id": role } }))
        .collect();
    let user = serde_json::json!([
        { "uid": { "type": "User", "id": "u" }, "attrs": { "roles": roles }, "parents": [] }
    ]);
    let entities = Entities::from_json_value(user, None).unwrap();
    let entities = entities.add_entities(slice.entities.clone(), None).unwrap();
    let context = Context::from_json_str(context, None).unwrap();
    let request = Request::new(
        uid("User::\"u\""),
        slice.action.clone(),
        uid("Endpoint::\"e\""),
        context,
        None,
    );
    (request.unwrap(), entities)
}

fn examined(policies: &str, roles: &str, context: &str) -> Vec<Examined> {
    let bundle = bundle(policies);
    let (request, entities) = question(&bundle, roles, context);
    let anatomy = Anatomy::of(&bundle, bundle.slice("go").unwrap()).unwrap();
    anatomy.examine(&request, &entities)
}

/// Draws the results: `+` true, `-` false, `!` fails, `.` not reached. Operands follow their operator in
/// brackets.
fn drawn(node: &Node) -> String {
    let sign = match (node.reached, node.value) {
        (false, _) => ".",
        (true, None) => "!",
        (true, Some(true)) => "+",
        (true, Some(false)) => "-",
    };
    let parts: Vec<_> = node.parts.iter().map(drawn).collect();
    if parts.is_empty() { sign.to_owned() } else { format!("{sign}({})", parts.join(" ")) }
}

/// Checks the result of a policy with these conditions: whether it applies, and its conditions as drawn.
#[track_caller]
fn check(conditions: &str, context: &str, applies: Option<bool>, expected: &str) {
    let policy = format!(
        "@id(\"p\") permit (principal is User, action == Action::\"go\", resource) {conditions};"
    );
    let found = examined(&policy, "A", context);
    assert_eq!(found.len(), 1);
    let found = &found[0];
    let drawn: Vec<_> = found.clauses.iter().map(|clause| drawn(&clause.node)).collect();
    assert_eq!((found.applies, &*drawn.join(" ")), (applies, expected), "{conditions}");
    assert!(found.scope);
}

const BOTH: &str = r#"{ "x": true, "y": false }"#;

#[test]
fn a_condition_ends_where_it_is_decided() {
    check("", "{}", Some(true), "");
    check("when { context.x }", BOTH, Some(true), "+");
    check("unless { context.x }", BOTH, Some(false), "+");
    check("when { context.y && context.x }", BOTH, Some(false), "-(- .)");
    check("when { context.x && context.y && context.z }", BOTH, Some(false), "-(+ - .)");
    check("when { context.x || context.z }", BOTH, Some(true), "+(+ .)");
    check("when { context.y || context.x }", BOTH, Some(true), "+(- +)");
    check("unless { context.y || context.y }", BOTH, Some(true), "-(- -)");
}

#[test]
fn conditions_end_with_the_first_that_does_not_hold() {
    check("when { context.y } unless { context.y }", BOTH, Some(false), "- .");
    check("unless { context.y } when { context.x }", BOTH, Some(true), "- +");
    check("unless { context.x } when { context.z }", BOTH, Some(false), "+ .");
}

#[test]
fn what_is_not_there_fails_where_it_is_reached() {
    check("when { context.z }", BOTH, None, "!");
    check("when { context has z && context.z }", BOTH, Some(false), "-(- .)");
    check("when { context.z && context.x } when { context.x }", BOTH, None, "!(! .) .");
    check("when { context.y || context.z }", BOTH, None, "!(- !)");
    check("when { !context.z }", BOTH, None, "!(!)");
    check("when { 1 }", BOTH, None, "!");
    let found =
        examined("@id(\"p\") permit (principal, action, resource) when { context.z };", "", BOTH);
    let error = found[0].clauses[0].node.error.clone().unwrap();
    assert!(error.contains("does not have the attribute `z`"), "{error}");
}

#[test]
fn expressions_are_nested_as_cedar_does_it() {
    check("when { !context.y }", BOTH, Some(true), "+(-)");
    check("when { !!context.x }", BOTH, Some(true), "+(-(+))");
    check(
        "when { !(context.x && !(context.y || context.x)) }",
        BOTH,
        Some(true),
        "+(-(+ -(+(- +))))",
    );
    check("when { context.x || context.y && context.z }", BOTH, Some(true), "+(+ .(. .))");
    check("when { (context.x || context.y) && context.x }", BOTH, Some(true), "+(+(+ .) +)");
    check("when { ((context.x)) == (context.y || true) }", BOTH, Some(true), "+");
    check("when { !context.x == context.y }", BOTH, Some(true), "+");
    check(
        "when { if context.y then context.z else context.x && context.x }",
        BOTH,
        Some(true),
        "+(- . +(+ +))",
    );
    check(
        "when { if context.x then (if context.y then context.z else context.y) else context.x }",
        BOTH,
        Some(false),
        "-(+ -(- . -) .)",
    );
    check(
        "when { if if context.x then context.y else true then context.x else context.y }",
        BOTH,
        Some(false),
        "-(-(+ - .) . -)",
    );
    check("when { if context.z then true else true }", BOTH, None, "!(! . .)");
    check("when { context.x // a && b || (\n && context has x }", BOTH, Some(true), "+(+ +)");
    check("when { context[\"x\"] && \"a && b\" like \"*&&*\" }", BOTH, Some(true), "+(+ +)");
}

#[test]
fn a_scope_that_does_not_match_reaches_nothing() {
    let found = examined(
        "@id(\"p\") permit (principal == User::\"v\", action, resource) when { context.x };",
        "",
        BOTH,
    );
    assert_eq!((found[0].scope, found[0].applies), (false, Some(false)));
    assert_eq!(drawn(&found[0].clauses[0].node), ".");
}

#[test]
fn policies_come_by_layer_and_then_as_written() {
    let forbid = |id: &str, layer: &str| {
        format!(
            "@id(\"{id}\") @layer(\"{layer}\") @reason(\"r\") @message(\"m\")\n\
             forbid (principal, action, resource);"
        )
    };
    let text = [
        forbid("late", "tenant"),
        forbid("second", "boundary"),
        forbid("third", "boundary"),
        "@id(\"list\") permit (principal, action, resource);".to_owned(),
        "@id(\"other\") permit (principal is Guest, action, resource);".to_owned(),
        forbid("first", "authentication"),
    ];
    let found = examined(&text.join("\n"), "A", "{}");
    let ids: Vec<_> = found.iter().map(|it| &*it.rule.id).collect();
    assert_eq!(ids, ["first", "second", "third", "list", "late"]);
}

#[test]
fn nodes_know_where_they_stand() {
    let found = examined(
        "\n@id(\"p\")\npermit (principal, action, resource)\nwhen {\n  context.x && !(\n  context.y)\n}\nunless { context has z };",
        "",
        BOTH,
    );
    let clauses = &found[0].clauses;
    let nodes: Vec<_> = clauses
        .iter()
        .flat_map(|clause| clause.node.leaves())
        .map(|leaf| (&*leaf.text, leaf.line, leaf.place))
        .collect();
    assert_eq!(nodes, [("context.x", 5, 1), ("context.y", 6, 3), ("context has z", 8, 4)]);
    assert_eq!(clauses[0].node.find(3).map(|it| &*it.text), Some("context.y"));
}

/// Checks the allowlist of `condition` for a caller with `roles`: the roles that the caller has are in
/// capitals, and those of the list come before the bar.
#[track_caller]
fn check_list(condition: &str, roles: &str, expected: &[&str]) {
    let policy = format!("@id(\"p\") permit (principal, action, resource) when {{ {condition} }};");
    let found = examined(&policy, roles, "{}");
    let lists = found[0].lists.iter().map(|list| {
        let names = |listed| {
            let of_it = list.roles.iter().filter(move |role| role.listed == listed);
            of_it
                .map(|role| match role.held {
                    Some(true) => role.name.to_string(),
                    Some(false) => role.name.to_lowercase(),
                    None => "!".to_owned(),
                })
                .collect::<String>()
        };
        let value = list.value.map_or("!", |value| if value { "+" } else { "-" });
        format!("{}|{}{value}", names(true), names(false))
    });
    assert_eq!(lists.collect::<Vec<_>>(), expected, "{condition}");
}

#[test]
fn allowlists_are_found() {
    check_list("principal.roles.containsAny([Role::\"A\", Role::\"B\"])", "AC", &["Ab|C+"]);
    check_list("principal.roles.containsAny([Role::\"B\"])", "A", &["b|Ac-"]);
    check_list("!principal [\"roles\"].containsAny([Role::\"C\",])", "C", &["C|ab+"]);
    check_list("[Role::\"A\", Role::\"B\"].containsAll(principal.roles)", "AC", &["Ab|C-"]);
    check_list("[Role::\"A\"].containsAny((principal.roles))", "A", &["A|bc+"]);
    check_list("[Role::\"A\"].contains(principal.job)", "A", &["!|!!!"]);
    check_list("Role::\"B\" in [Role::\"A\", Role::\"B\"]", "", &["aB|c+"]);
    check_list("[Role::\"D\"].contains(Role::\"D\")", "", &["D|abc+"]);
    check_list(
        "true && (false || principal.roles.containsAny([Role::\"A\"])) && principal.roles.containsAny([Role::\"B\"])",
        "B",
        &["a|Bc-", "B|ac!"],
    );
}

#[test]
fn other_sets_are_no_allowlists() {
    check_list("principal.roles == [Role::\"A\"]", "A", &[]);
    check_list("principal.roles.containsAll([Role::\"A\"])", "A", &[]);
    check_list("[\"A\"].contains(\"A\")", "A", &[]);
    check_list("[User::\"u\"].contains(principal)", "A", &[]);
    check_list("principal.roles.containsAny([])", "A", &[]);
    check_list("action in [Action::\"go\"]", "A", &[]);
    check_list("principal.roles.contains(Role::\"A\")", "A", &[]);
}

#[test]
fn a_slice_of_another_bundle_is_refused() {
    let one = bundle("@id(\"one\") permit (principal, action, resource);");
    let other = bundle("@id(\"other\") permit (principal, action, resource);");
    let error = Anatomy::of(&one, other.slice("go").unwrap()).unwrap_err();
    assert_eq!(error, AnatomyError::Unknown { policy: Arc::from("other") });
}

/// Returns the ids of the policies of a slice that apply and of those that fail, as Cedar reports them.
fn said(slice: &Slice, request: &Request, entities: &Entities) -> [BTreeSet<String>; 2] {
    let sets = [&slice.permits, &slice.early, &slice.late];
    let (mut applied, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for set in sets {
        let response = Authorizer::new().is_authorized(request, set, entities);
        let diagnostics = response.diagnostics();
        applied.extend(diagnostics.reason().map(ToString::to_string));
        failed.extend(diagnostics.errors().map(|it| match it {
            AuthorizationError::PolicyEvaluationError(it) => it.policy_id().to_string(),
        }));
    }
    [applied, failed]
}

#[test]
fn the_default_bundle_is_taken_apart_as_cedar_reads_it() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    let contexts = [
        "{}",
        r#"{ "path": "/api/codes/x", "body_fields": [], "body_roles": [] }"#,
        r#"{ "path": "/api/y", "body_fields": ["name", "tier"], "workflow": "w",
             "break_glass": "why", "feature": { "__entity": { "type": "Feature", "id": "codes" } },
             "body_roles": [{ "__entity": { "type": "Role", "id": "GROUP_ADMIN" } }] }"#,
    ];
    let callers = [vec![], vec!["OTHER"], vec!["PLATFORM_ADMIN", "NURSE"], vec!["GROUP_ADMIN"]];
    let mut seen = BTreeSet::new();
    for route in bundle.routes().routes() {
        let slice = bundle.slice(&route.action).unwrap();
        let anatomy = Anatomy::of(&bundle, slice).unwrap();
        for (roles, context) in callers.iter().flat_map(|it| contexts.map(|context| (it, context)))
        {
            let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
            let (request, entities) = ask(slice, &roles, context);
            let examined = anatomy.examine(&request, &entities);
            let that = |applies| {
                let found = examined.iter().filter(move |it| it.applies == applies);
                found.map(|it| it.rule.id.to_string()).collect::<BTreeSet<_>>()
            };
            let found = [that(Some(true)), that(None)];
            assert_eq!(found, said(slice, &request, &entities), "{} {context}", route.action);
            seen.extend(examined.iter().map(|it| (it.rule.id.to_string(), it.applies)));
        }
    }
    assert!(seen.len() > 80, "{}", seen.len());
}

#[test]
fn an_expression_is_shown_on_one_line() {
    let shown = |text: &str| crate::anatomy::one_line(text);
    assert_eq!(
        shown("a\n    .contains(\n      [\"x\",\n   \"y\"]\n  )"),
        "a.contains([\"x\", \"y\"])"
    );
    assert_eq!(shown(" a  &&\n b ( c )"), "a && b ( c )");
    assert_eq!(shown("a == \"two  \\\"\n .blanks\""), "a == \"two  \\\"\n .blanks\"");
}
