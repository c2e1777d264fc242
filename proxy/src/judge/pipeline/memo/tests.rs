//! Which callers are judged anew, and which share a decision made for a similar caller.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use policy_store::archive::Archive;
use policy_store::bundle::{Bundle, File, Loader, Sources};
use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use policy_store::source::FixedFacts;
use policy_store::watch::{BundleStore, Reload};
use tempfile::TempDir;

use crate::config::Tenancy;
use crate::judge::pipeline::Witness;
use crate::judge::workbench::{Ask, TTL, Workbench};

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

/// A workbench with the default bundle plus this policy.
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

/// A folder with the default bundle, and a workbench that rehearses each bundle put in force from that folder.
fn rehearsing() -> (TempDir, Arc<BundleStore>, Workbench) {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    for entry in std::fs::read_dir(shipped).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), policies.join(entry.file_name())).unwrap();
        }
    }
    let archive = Archive::new(folder.path().join("archive"));
    let bundles = BundleStore::open(&policies, archive, Box::new(|_, _, _| {})).unwrap();
    let (source, witness) = (Arc::new(facts()), Some(Arc::new(Witness::default())));
    let bench = Workbench::over(Arc::clone(&bundles), source, Tenancy::default(), witness, TTL);
    (folder, bundles, bench.unwrap().rehearsing())
}

/// Replaces a text in a file of the bundle, and puts the bundle in force.
fn swap(folder: &TempDir, bundles: &BundleStore, file: &str, from: &str, to: &str) {
    let path = folder.path().join("policies").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    assert_eq!(bundles.reload(), Reload::Applied);
}

/// Judges one request after the other, and checks how many questions each puts to the policies.
async fn check(policy: &str, asked: &[(&str, &str, usize)]) {
    check_by(&bench(policy), policy, asked).await;
}

async fn check_by(bench: &Workbench, policy: &str, asked: &[(&str, &str, usize)]) {
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
    check("// Nothing more.", &asked).await;
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
    check("// Nothing more.", &asked).await;
}

#[tokio::test]
async fn where_a_user_is_written_out_each_is_decided_anew() {
    let policy = r#"@id("more") @layer("LAYER") @reason("more") @message("More")
forbid (principal == User::"nobody", action == Action::"patients.read", resource);"#;
    for layer in ["boundary", "tenant"] {
        let asked = [
            ("nurse-1", "GET /api/patients/a", 2),
            // The other half of the policies (early or late) names no user, so its answer is shared.
            ("nurse-2", "GET /api/patients/a", 1),
            ("nurse-2", "GET /api/patients/a", 0),
            ("nurse-1", "GET /api/users/me", 2),
            ("nurse-2", "GET /api/users/me", 0),
        ];
        check(&policy.replace("LAYER", layer), &asked).await;
    }
}

const ASKED: [(&str, &str); 5] = [
    ("nurse-1", "GET /api/patients/a"),
    ("doctor-1", "GET /api/patients/b"),
    ("admin-1", "PATCH /api/admin/users/admin-1/status"),
    ("admin-1", "GET /api/nowhere"),
    ("nurse-1", "GET /api/users/me"),
];

/// Checks how many questions each request of [`ASKED`] puts to the policies.
async fn check_all(bench: &Workbench, about: &str, questions: [usize; 5]) {
    let asked = ASKED.iter().zip(questions).map(|((user, request), it)| (*user, *request, it));
    check_by(bench, about, &asked.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn new_policies_are_asked_before_they_are_in_force() {
    let (folder, bundles, bench) = rehearsing();
    check_all(&bench, "at first", [2, 2, 2, 1, 2]).await;
    let message = "for the tools portal only";
    swap(&folder, &bundles, "boundary.cedar", message, "for other tools only");
    check_all(&bench, "a policy about everything is another one", [0; 5]).await;
    let condition = "principal.roles == [Role::\"OTHER\"]";
    swap(&folder, &bundles, "boundary.cedar", condition, "principal.roles == [Role::\"NURSE\"]");
    let asked = [("nurse-1", "GET /api/patients/a"), ("doctor-1", "GET /api/patients/b")];
    let mut verdicts = Vec::new();
    for (user, request) in asked {
        let (method, target) = request.split_once(' ').unwrap();
        let (method, target) = (method.to_owned(), target.to_owned());
        let ask = Ask { user: Some(Arc::from(user)), method, target, ..Ask::default() };
        let verdict = bench.judge(&ask).await.unwrap();
        verdicts.push((verdict.reason().to_owned(), verdict.questions.len()));
    }
    assert_eq!(verdicts, [("outside_boundary".to_owned(), 0), ("allowed".to_owned(), 0)]);
}

/// After the reload every route is a new object with the same content, and its questions are rehearsed all the same.
#[tokio::test]
async fn a_new_table_of_routes_is_rehearsed_too() {
    let (folder, bundles, bench) = rehearsing();
    check_all(&bench, "at first", [2, 2, 2, 1, 2]).await;
    swap(&folder, &bundles, "routes.yaml", "routes:", "# Nothing new.\nroutes:");
    check_all(&bench, "the same routes once more", [0; 5]).await;
}

#[tokio::test]
async fn what_was_not_asked_for_long_is_not_rehearsed() {
    let (folder, bundles, bench) = rehearsing();
    check_all(&bench, "at first", [2, 2, 2, 1, 2]).await;
    let memo = &bench.pipeline.memo;
    memo.tick.fetch_add(1, Ordering::Relaxed);
    check_by(&bench, "meanwhile", &[("nurse-1", "GET /api/patients/a", 0)]).await;
    memo.tick.fetch_add(1, Ordering::Relaxed);
    swap(&folder, &bundles, "boundary.cedar", "the tools portal", "tools");
    check_all(
        &bench,
        "only the first was asked lately; what comes after the role knows nothing of it",
        [0, 1, 1, 1, 1],
    )
    .await;
}

/// The number of questions that a change of the caller's own profile with these members puts to the policies.
async fn profile(bench: &Workbench, members: impl Iterator<Item = String>) -> usize {
    let body: serde_json::Map<_, _> = members.map(|name| (name, 1.into())).collect();
    let body = Some(serde_json::Value::Object(body).to_string());
    let (method, target) = ("PATCH".to_owned(), "/api/users/me".to_owned());
    let ask = Ask { user: Some(Arc::from("nurse-1")), method, target, body, ..Ask::default() };
    bench.judge(&ask).await.unwrap().questions.len()
}

#[tokio::test]
async fn what_is_long_is_not_remembered() {
    let bench = bench("// Nothing more.");
    for (members, length, again) in [(3, 10, 0), (25, 200, 1), (100, 60, 1), (3, 10, 0)] {
        let body = || (0..members).map(|member| format!("{member:0length$}"));
        profile(&bench, body()).await;
        assert_eq!(profile(&bench, body()).await, again, "{members} members of {length} bytes");
    }
    for (length, again) in [(100, 0), (5_000, 1)] {
        let request = format!("GET /api/nowhere/{}", "x".repeat(length));
        check_by(&bench, "", &[("nurse-1", &request, 1), ("nurse-1", &request, again)]).await;
    }
}

#[tokio::test]
async fn all_together_take_no_more_bytes_than_they_may() {
    let mut bench = bench("// Nothing more.");
    let bytes = 256 << 10;
    bench.pipeline.memo = Arc::new(super::Memo::new(Some(bytes)));
    for number in 0..500 {
        profile(&bench, (0..20).map(|member| format!("{number:04}-{member:090}"))).await;
        let held = bench.pipeline.memo.held();
        assert!(held > 0 && held <= bytes, "{held} bytes after {number}");
    }
    assert!(bench.pipeline.memo.held() > bytes / 8, "hardly anything is remembered");
}
