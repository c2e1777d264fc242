//! Who is decided anew, and who shares what was decided for somebody like them.

use std::path::Path;
use std::sync::Arc;

use policy_store::bundle::{Bundle, File, Loader, Sources};
use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use policy_store::source::FixedFacts;
use policy_store::watch::BundleStore;

use crate::config::Tenancy;
use crate::pipeline::Witness;
use crate::workbench::{Ask, TTL, Workbench};

fn names(text: &str) -> Vec<Arc<str>> {
    text.split_whitespace().map(Arc::from).collect()
}

fn user(id: &str, roles: &str) -> UserFacts {
    UserFacts {
        id: Arc::from(id),
        organization: Some(Arc::from("kauvery")),
        roles: names(roles),
        features: Vec::new(),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

fn facts() -> FixedFacts {
    let revoked = UserFacts { revoked_tokens: names("a"), ..user("nurse-3", "NURSE") };
    let idle = UserFacts { status: Arc::from("INACTIVE"), ..user("nurse-4", "NURSE") };
    let users = ["admin-1", "admin-2"].map(|id| user(id, "ORG_ADMIN")).into_iter();
    let users = users.chain(["nurse-1", "nurse-2"].map(|id| user(id, "NURSE")));
    let users = users.chain([revoked, idle, user("doctor-1", "DOCTOR")]);
    let kauvery = OrganizationFacts {
        id: Arc::from("kauvery"),
        slug: Arc::from("kauvery"),
        status: Arc::from("ACTIVE"),
        deleted: false,
        features: Vec::new(),
        workflows: Vec::new(),
        group: None,
    };
    let patient = OwnedFacts { owner: Some(Arc::from("kauvery")), workflow: None, roles: None };
    let objects = ["a", "b"].map(|id| (("Patient".to_owned(), id.to_owned()), patient.clone()));
    FixedFacts {
        users: users.map(|user| (Arc::clone(&user.id), user)).collect(),
        organizations: vec![kauvery],
        objects: objects.into(),
    }
}

/// A workbench with the bundle that ships, and this policy.
fn bench(policy: &str) -> Workbench {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&folder).unwrap();
    sources.tests.clear();
    sources.policies.push(File { name: "more.cedar".to_owned(), text: Arc::from(policy) });
    let bundle: Bundle = Loader::default().load(sources).unwrap_or_else(|it| panic!("{it}"));
    let (bundles, facts) = (BundleStore::fixed(bundle), Arc::new(facts()));
    let witness = Some(Arc::new(Witness::default()));
    Workbench::over(bundles, facts, Tenancy::default(), witness, TTL).unwrap()
}

/// Asks one after the other, and says how many questions the policies were asked for each.
async fn check(policy: &str, asked: &[(&str, &str, usize)]) {
    let bench = bench(policy);
    for (user, request, expected) in asked {
        let (method, target) = request.split_once(' ').unwrap();
        let (method, target) = (method.to_owned(), target.to_owned());
        let user = Some(Arc::from(*user));
        let body = (method == "PATCH").then(|| r#"{"status":"ACTIVE"}"#.to_owned());
        let ask = Ask { user, method, target, body, ..Ask::default() };
        let verdict = bench.judge(&ask).await.unwrap();
        let questions = verdict.questions.len();
        assert_eq!(questions, *expected, "{ask:?}: {}\n{policy}", verdict.reason());
    }
}

#[tokio::test]
async fn those_who_are_alike_share_a_decision() {
    let asked = [
        ("nurse-1", "GET /api/patients/a", 2),
        ("nurse-1", "GET /api/patients/b", 0),
        ("nurse-2", "GET /api/patients/a", 0),
        ("nurse-3", "GET /api/patients/b", 0),
        ("doctor-1", "GET /api/patients/a", 2),
        ("nurse-4", "GET /api/patients/a", 1),
        ("nurse-2", "GET /api/users/me", 2),
        ("nurse-1", "GET /api/users/me", 0),
    ];
    check("", &asked).await;
}

#[tokio::test]
async fn a_caller_who_is_the_object_shares_with_nobody_who_is_not() {
    let asked = [
        ("admin-1", "PATCH /api/admin/users/admin-1/status", 2),
        ("admin-2", "PATCH /api/admin/users/admin-1/status", 2),
        ("admin-1", "PATCH /api/admin/users/nurse-1/status", 1),
        ("admin-2", "PATCH /api/admin/users/nurse-1/status", 0),
        ("admin-2", "PATCH /api/admin/users/admin-2/status", 1),
    ];
    check("", &asked).await;
}

#[tokio::test]
async fn where_a_user_is_written_out_each_is_decided_anew() {
    let policy = r#"@id("more") @layer("LAYER") @reason("more") @message("More")
forbid (principal == User::"nobody", action == Action::"patients.read", resource);"#;
    for layer in ["boundary", "tenant"] {
        let asked = [
            ("nurse-1", "GET /api/patients/a", 2),
            // The other half of the policies names nobody.
            ("nurse-2", "GET /api/patients/a", 1),
            ("nurse-2", "GET /api/patients/a", 0),
            ("nurse-1", "GET /api/users/me", 2),
            ("nurse-2", "GET /api/users/me", 0),
        ];
        check(&policy.replace("LAYER", layer), &asked).await;
    }
}
