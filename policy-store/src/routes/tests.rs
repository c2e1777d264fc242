use super::{FactKind, RouteTable};

fn table(text: &str) -> RouteTable {
    RouteTable::parse(text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

const ROUTES: &str = "
routes:
  - { action: a, method: GET, path: '/x/{id}', operation: view }
  - { action: b, method: GET, path: /x/me, operation: view }
  - { action: c, method: GET, path: '/x/{id}/y', operation: list }
  - { action: d, method: GET, path: '/s/{system}/search', values: { system: [one, two] }, operation: list }
  - { action: e, method: GET, path: '/x/me/z', operation: list }
";

#[track_caller]
fn check(path: &str, action: Option<&str>, id: Option<&str>) {
    let found = table(ROUTES).find("GET", path);
    assert_eq!(found.as_ref().map(|it| &*it.route.action), action, "{path}");
    assert_eq!(found.as_ref().and_then(|it| it.id.as_deref()), id, "{path}");
}

#[test]
fn a_literal_wins_over_a_variable_at_the_leftmost_segment_that_differs() {
    check("/x/me", Some("b"), None);
    check("/x/you", Some("a"), Some("you"));
    check("/x/me/y", Some("c"), Some("me"));
    check("/x/me/z", Some("e"), None);
    check("/x/you/z", None, None);
}

#[test]
fn paths_match_whole() {
    check("/x/", None, None);
    check("/x/a/", None, None);
    check("/x", None, None);
    check("/X/me", None, None);
    check("/x/a%20b", Some("a"), Some("a b"));
    check("/s/one/search", Some("d"), None);
    check("/s/three/search", None, None);
    assert!(table(ROUTES).find("POST", "/x/me").is_none());
}

#[track_caller]
fn refuses(route: &str, problem: &str) {
    let faults = RouteTable::parse(&format!("routes:\n  - {route}\n")).unwrap_err();
    let said = faults.first().map(|fault| fault.problem.clone()).unwrap_or_default();
    assert!(said.contains(problem), "{said}");
    let (line, column) = faults.first().map(|fault| fault.place).unwrap_or_default();
    assert_eq!(line, 2);
    assert!(column > 4, "{column}: {said}");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    refuses("{ action: a, method: get, path: /x, operation: view }", "is not a method");
    refuses("{ action: a, method: HEAD, path: /x, operation: view }", "HEAD is judged as GET");
    refuses("{ action: a, method: GET, path: x, operation: view }", "does not begin with a slash");
    refuses("{ action: a, method: GET, path: /x/, operation: view }", "not a whole, plain segment");
    refuses(
        "{ action: a, method: GET, path: '/x{id}', operation: view }",
        "not a whole, plain segment",
    );
    refuses(
        "{ action: a, method: GET, path: /x, scope: lookup, operation: view }",
        "which the path lacks",
    );
    refuses(
        "{ action: a, method: GET, path: /x, scope: workflow, operation: view }",
        "which the path lacks",
    );
    refuses("{ action: a, method: GET, path: /x }", "needs an operation");
    refuses("{ action: a, method: GET, path: /x, phi: seen }", "nothing that happens");
    refuses("{ action: a, method: GET, path: /x, operation: view, colour: red }", "colour");
}

#[test]
fn two_routes_of_one_shape_are_refused() {
    let text = "routes:
  - { action: a, method: GET, path: '/x/{id}', operation: view }
  - { action: b, method: GET, path: '/x/{workflow}', operation: view }
";
    let faults = RouteTable::parse(text).unwrap_err();
    assert_eq!(faults.first().map(|fault| fault.place), Some((3, 37)));
}

#[test]
fn a_route_says_which_facts_it_changes_and_how_it_is_asked() {
    let table = table(
        "
routes:
  - { action: a, method: PATCH, path: '/u/{id}/{system}', values: { system: [one, two] }, resource: User, scope: lookup, operation: update, body: json, changes: { user.roles: roles } }
",
    );
    let route = table.routes().first().unwrap();
    assert_eq!(route.changes(FactKind::UserRoles).map(|it| &**it), Some("roles"));
    assert_eq!(route.changes(FactKind::UserStatus), None);
    let path = route.path_of("a b/é", "");
    assert_eq!(path, "/u/a%20b%2F%C3%A9/one");
    assert_eq!(table.find("PATCH", &path).unwrap().id.as_deref(), Some("a b/é"));
}

#[test]
fn a_change_that_no_request_could_make_is_refused() {
    let check = |route: &str, problem: &str| {
        let faults = RouteTable::parse(&format!("routes:\n  - {{ action: a, {route} }}\n"));
        let faults = faults.unwrap_err();
        assert!(faults[0].problem.contains(problem), "{faults:?}");
    };
    let user = "method: PATCH, path: '/u/{id}', resource: User, operation: update";
    check(&format!("{user}, scope: lookup, changes: {{ user.roles: r }}"), "a body that is read");
    let json = "body: json, changes";
    check(&format!("{user}, scope: none, {json}: {{ user.roles: r }}"), "a user named by `{id}`");
    let odd = format!("{user}, scope: lookup, {json}: {{ organization.status: s }}");
    check(&odd, "an organisation named by `{id}`");
    check(&format!("{user}, scope: lookup, {json}: {{ user.shoes: s }}"), "user.shoes");
}
