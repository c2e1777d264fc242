//! Neither the answer nor what it costs tells whether something is there that belongs to somebody else:
//! the database is asked the same number of questions in either case, however often somebody asks.

use std::collections::BTreeMap;

use serde_json::json;
use tests::{client::Request, metrics::Metrics, stand::Stand, tokens::token};

/// Whoever asks belongs to Alpha. What is told apart: what is Beta's, and what nobody has.
const USER: &str = "alpha-admin";
/// The same, for what administrators may not see.
const DOCTOR: &str = "alpha-doctor";

/// What is asked for, in words, who asks, the two names, and the request about one of them.
type Case = (&'static str, &'static str, &'static str, &'static str, fn(&str) -> Request);

const CASES: [Case; 10] = [
    ("an object", USER, "patient-beta-1", "patient-nobody-1", |id| {
        Request::get(format!("/api/patients/{id}"))
    }),
    ("an object, to be changed", USER, "patient-beta-1", "patient-nobody-2", |id| {
        Request::new("PATCH", format!("/api/patients/{id}")).json("{}")
    }),
    ("an object, with a tenant named", USER, "patient-beta-1", "patient-nobody-3", |id| {
        Request::get(format!("/api/patients/{id}")).header("X-Tenant", "demo_clinic_alpha")
    }),
    ("another type", DOCTOR, "visit-note-beta-1", "visit-note-nobody-1", |id| {
        Request::get(format!("/api/visit-notes/{id}"))
    }),
    ("a user", USER, "beta-doctor", "nobody-at-all", |id| {
        Request::new("PATCH", format!("/api/admin/users/{id}/roles")).json(r#"{"roles":["NURSE"]}"#)
    }),
    ("an organisation", USER, "org-beta", "org-nobody", |id| {
        Request::get(format!("/api/organizations/{id}"))
    }),
    ("an organisation by X-Tenant", USER, "demo_clinic_beta", "demo_clinic_nobody", |slug| {
        Request::get("/api/patients").header("X-Tenant", slug)
    }),
    ("an organisation by the host", USER, "demo_clinic_beta", "demo_clinic_nobody2", |slug| {
        Request::get("/api/patients").host(&format!("{slug}.clinics.example"))
    }),
    ("an organisation by the query", USER, "org-beta", "org-nobody-2", |id| {
        Request::get(format!("/api/patients?organization_id={id}"))
    }),
    ("an organisation by the body", USER, "org-beta", "org-nobody-3", |id| {
        Request::new("POST", "/api/patients").json(json!({"organization_id": id}).to_string())
    }),
];

/// How often each kind of fact was asked of the database.
async fn questions(stand: &Stand) -> BTreeMap<&'static str, f64> {
    let metrics = Metrics::of(stand).await;
    let count = |kind| {
        let of_kind = |outcome| [("kind", kind), ("outcome", outcome)];
        let lookups = |outcome| metrics.sum("cedargate_facts_lookups_total", &of_kind(outcome));
        (kind, lookups("miss") + lookups("coalesced"))
    };
    ["user", "organization", "object"].into_iter().map(count).collect()
}

/// Asks about one name four times; gives the answers, and what the database was asked for each.
async fn asked(stand: &Stand, request: &Request) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..4 {
        let before = questions(stand).await;
        let answer = stand.send(request).await;
        let after = questions(stand).await;
        let put: BTreeMap<_, _> =
            after.iter().map(|(kind, count)| (kind, count - before[kind])).collect();
        seen.push(format!("{} {} {put:?}", answer.status, answer.reason()));
    }
    seen
}

async fn check(stand: &Stand) {
    let mut faults = Vec::new();
    for (what, user, theirs, nobodys, request) in CASES {
        let by = |user: &str, name: &str| request(name).token(&token(user));
        // What is known of those who ask is no difference.
        let own = Request::get("/api/patients").header("X-Tenant", "demo_clinic_alpha");
        assert_eq!(stand.send(&own.token(&token(user))).await.status, 200);
        // At first nothing is known of what is Beta's, and then somebody has just asked for it.
        for warm in [false, true] {
            if warm {
                let _known = stand.send(&by("platform-admin", theirs)).await;
                let _known = stand.send(&by("beta-doctor", theirs)).await;
            }
            let absent = asked(stand, &by(user, nobodys)).await;
            let foreign = asked(stand, &by(user, theirs)).await;
            let refused = [" not_found ", " cross_tenant "].iter().any(|it| absent[0].contains(it));
            if absent != foreign || !refused {
                faults.push(format!(
                    "{what} (warm: {warm})\n  absent  {absent:#?}\n  foreign {foreign:#?}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn absent_and_foreign_cost_the_same_with_sqlite() {
    check(&Stand::builder().set("facts.ttl", "60s").start().await).await;
}

#[tokio::test]
async fn absent_and_foreign_cost_the_same_with_postgres() {
    check(
        &Stand::builder().postgres().set("facts.ttl", "60s").set("facts.push", false).start().await,
    )
    .await;
}

/// Nothing is given up for it: an object is found in the moment after it was created.
#[tokio::test]
async fn what_was_absent_is_found_as_soon_as_it_is_there() {
    let stand = Stand::builder().set("facts.ttl", "60s").start().await;
    let patient = Request::get("/api/patients/patient-new-1");
    let user =
        Request::new("PATCH", "/api/admin/users/user-new/roles").json(r#"{"roles":["NURSE"]}"#);
    for (request, sql) in [
        (
            patient,
            "insert into patients (id, organization_id, first_name, last_name) values ('patient-new-1', 'org-alpha', 'Ann', 'New')",
        ),
        (
            user,
            "insert into users (id, organization_id, email, name) values ('user-new', 'org-alpha', 'n@x.example', 'N')",
        ),
    ] {
        let request = request.token(&token(USER));
        assert_eq!(stand.send(&request).await.status, 404, "{sql}");
        tests::sql::execute(&stand.ground.database, sql).await;
        assert_eq!(stand.send(&request).await.status, 200, "{sql}");
    }
}
