//! Any schema: the gate before tables that are not its own, as `deploy/examples/` has them.

mod changes;
mod faults;
mod forms;
mod page;
mod start;

use tests::{
    client::{self, Request},
    example::Running,
    tokens::token,
};

/// Who, what, and what comes of it.
type Case = (&'static str, &'static str, (u16, &'static str));

const ALLOWED: (u16, &str) = (200, "");
const NOT_FOUND: (u16, &str) = (404, "not_found");
const UNKNOWN: (u16, &str) = (401, "user_unknown");
const UNREADABLE: (u16, &str) = (503, "facts_unavailable");
const LIST: &str = "/api/patients";
const SEARCH: &str = "/api/codes/search";

async fn check(gate: &Running, cases: &[Case]) {
    for (who, target, expected) in cases {
        let (status, reason) = gate.get(who, target).await;
        assert_eq!((status, reason.as_str()), *expected, "{who} {target}");
    }
}

const HOSPITAL: &[Case] = &[
    // The role has another name here, and comes from one column; the clinic from a table between.
    ("10", LIST, ALLOWED),
    ("10", "/api/patients/7", ALLOWED),
    ("10", "/api/patients/8", NOT_FOUND),
    ("10", "/api/insurances/70", (403, "role_not_allowed")),
    ("14", LIST, (403, "tenant_required")),
    ("14", "/api/patients/8", ALLOWED),
    // An insurance belongs to whom its patient belongs to.
    ("12", "/api/insurances/70", ALLOWED),
    ("12", "/api/insurances/80", NOT_FOUND),
    ("13", "/api/insurances/70", ALLOWED),
    // Features are rows, of the clinic and of the person; one that the schema does not know is left out.
    ("10", SEARCH, ALLOWED),
    ("11", SEARCH, (403, "user_feature_disabled")),
    ("20", SEARCH, (403, "org_feature_disabled")),
    // Removed or blocked clinics, a removed person, a role that the schema does not know, two clinics at once.
    ("30", LIST, (401, "org_inactive")),
    ("40", LIST, (401, "org_inactive")),
    ("51", LIST, UNKNOWN),
    ("15", LIST, UNREADABLE),
    ("50", LIST, UNREADABLE),
    // A number has one form, and only that one is a key.
    ("010", LIST, UNKNOWN),
    ("+10", LIST, UNKNOWN),
    ("10 ", LIST, UNKNOWN),
    ("10.0", LIST, UNKNOWN),
    ("doc", LIST, UNKNOWN),
    ("2147483648", LIST, UNKNOWN),
    ("9223372036854775808", LIST, UNKNOWN),
    ("10", "/api/patients/007", NOT_FOUND),
    ("10", "/api/patients/+7", NOT_FOUND),
    ("10", "/api/patients/%207", NOT_FOUND),
    ("10", "/api/patients/7.0", NOT_FOUND),
    ("10", "/api/patients/9223372036854775808", NOT_FOUND),
    ("10", "/api/patients/x'--", NOT_FOUND),
    // Tenants are named by their number, in its one form, too.
    ("10", "/api/patients?organization_id=1", ALLOWED),
    ("10", "/api/patients?organization_id=01", (403, "cross_tenant")),
    ("10", "/api/patients?organization_id=2", (403, "cross_tenant")),
    ("10", "/api/patients?organization_id=alpha", (403, "cross_tenant")),
    ("14", "/api/patients?organization_id=2", ALLOWED),
];

#[tokio::test]
async fn the_hospital_of_the_examples() {
    let gate = Running::start("hospital").await;
    check(&gate, HOSPITAL).await;
    for (host, expected) in [
        ("alpha.clinics.example", ALLOWED),
        ("beta.clinics.example", (403, "cross_tenant")),
        ("nowhere.clinics.example", (403, "cross_tenant")),
    ] {
        let request = Request::get(LIST).host(host).token(&token("10"));
        let answer = client::send(gate.proxy(), &request).await;
        assert_eq!((answer.status, answer.reason().as_str()), expected, "{host}");
    }
    let identity = &gate.example.upstream().take()[0];
    let sent = |name: &str| identity.head.header(name).map(str::to_owned);
    assert_eq!(sent("x-auth-roles").as_deref(), Some("DOCTOR"));
    assert_eq!(sent("x-auth-features").as_deref(), Some("codes"));
    assert_eq!(sent("x-auth-org-id").as_deref(), Some("1"));
    assert_eq!(sent("x-auth-tenant-slug").as_deref(), Some("alpha"));
}

#[tokio::test]
async fn a_change_in_the_hospitals_tables_holds_for_the_next_request() {
    let gate = Running::start("hospital").await;
    for (change, who, target, expected) in [
        ("update staff set removed_at = now() where id = 11", "11", LIST, UNKNOWN),
        ("update staff set removed_at = null where id = 11", "11", LIST, ALLOWED),
        (
            "update memberships set left_at = now() where staff_id = 11",
            "11",
            LIST,
            (403, "org_missing"),
        ),
        (
            "update memberships set left_at = now() where (staff_id, clinic_id) = (50, 2)",
            "50",
            LIST,
            ALLOWED,
        ),
        ("insert into staff_tools values (12, 'code_search')", "12", SEARCH, ALLOWED),
        ("update patients set clinic_id = 2 where id = 7", "12", "/api/insurances/70", NOT_FOUND),
        ("update clinics set removed_at = now() where id = 1", "12", LIST, (401, "org_inactive")),
        (
            "update staff set signed_out_at = now() + interval '1 minute' where id = 20",
            "20",
            LIST,
            (401, "token_revoked"),
        ),
        (
            "update staff set signed_out_at = 'infinity' where id = 20",
            "20",
            LIST,
            (401, "token_revoked"),
        ),
        ("update staff set signed_out_at = '-infinity' where id = 20", "20", LIST, ALLOWED),
    ] {
        gate.execute(change).await;
        let (status, reason) = gate.get(who, target).await;
        assert_eq!((status, reason.as_str()), expected, "{change}");
    }
}

const CALLS: &[Case] = &[
    ("alpha-doctor", LIST, ALLOWED),
    ("alpha-doctor", "/api/patients/patient-alpha-1", ALLOWED),
    ("alpha-doctor", "/api/patients/patient-beta-1", NOT_FOUND),
    ("alpha-doctor", "/api/patients/org-alpha", NOT_FOUND),
    ("alpha-doctor", "/api/insurances/insurance-alpha-1", ALLOWED),
    ("alpha-admin", "/api/insurances/insurance-beta-1", NOT_FOUND),
    ("alpha-doctor", SEARCH, ALLOWED),
    ("beta-nurse", SEARCH, (403, "org_feature_disabled")),
    ("beta-nurse", "/api/insurances/insurance-beta-1", (403, "role_not_allowed")),
    ("alpha-coder", LIST, (403, "role_not_allowed")),
    ("platform-admin", "/api/insurances/insurance-beta-1", ALLOWED),
    ("closed-doctor", LIST, (401, "org_inactive")),
    ("kauvery-left", LIST, (401, "user_inactive")),
    ("patient-alpha-1", LIST, UNKNOWN),
    ("nobody", LIST, UNKNOWN),
];

/// What may be wrong with one document.
const BROKEN: &[&str] = &[
    r#"{"clinic": "org-alpha", "active": true}"#,
    r#"{"clinic": "org-alpha", "active": true, "roles": "DOCTOR"}"#,
    r#"{"clinic": "org-alpha", "active": true, "roles": ["DOCTOR", 7]}"#,
    r#"{"clinic": "org-alpha", "active": true, "roles": ["DOCTOR", "PORTER"]}"#,
    r#"{"clinic": "org-alpha", "active": "perhaps", "roles": ["DOCTOR"]}"#,
    r#"{"clinic": "org-alpha", "active": true, "roles": ["DOCTOR"], "tools": "codes"}"#,
    r#"{"clinic": "org-alpha", "active": true, "roles": ["DOCTOR"], "signed_out_at": "today"}"#,
    r#"{"clinic": "org-nowhere", "active": true, "roles": ["DOCTOR"]}"#,
];

#[tokio::test]
async fn the_documents_of_the_examples() {
    let gate = Running::start("calls").await;
    check(&gate, CALLS).await;
    for broken in BROKEN {
        gate.execute(&format!(
            "update documents set body = '{broken}' where collection = 'people' and id = 'alpha-admin'"
        ))
        .await;
        let (status, reason) = gate.get("alpha-admin", LIST).await;
        assert_eq!((status, reason.as_str()), UNREADABLE, "{broken}");
        check(&gate, &[("alpha-doctor", LIST, ALLOWED)]).await;
    }
    assert_eq!(gate.ask_admin("/readyz").await.status, 200, "the database is well");
    for (change, expected) in [
        (
            r#"{"clinic": "org-alpha", "active": true, "roles": {"ADMIN": true, "PORTER": false}}"#,
            ALLOWED,
        ),
        (
            r#"{"clinic": "org-alpha", "active": true, "roles": ["ADMIN"], "signed_out_at": 9e9}"#,
            (401, "token_revoked"),
        ),
        (r#"{"active": true, "roles": ["ADMIN"]}"#, (403, "org_missing")),
        (r#"{"clinic": "org-alpha", "roles": ["ADMIN"]}"#, (401, "user_inactive")),
    ] {
        gate.execute(&format!("update documents set body = '{change}' where id = 'alpha-admin'"))
            .await;
        check(&gate, &[("alpha-admin", LIST, expected)]).await;
    }
}
