//! A change of a row holds from that user's next request: no new login, no restart.

use tests::{sql::execute, stand::Stand};

/// User, target, what it is before, the change, what it is after.
type Case = (&'static str, &'static str, (u16, &'static str), &'static str, (u16, &'static str));

const SEARCH: &str = "/api/codes/icd10/search";

/// In SQL that both databases speak, but for the lists, which are put in.
const CASES: &[Case] = &[
    (
        "alpha-doctor",
        "/api/patients",
        (200, ""),
        "update users set status = 'INACTIVE' where id = 'alpha-doctor'",
        (401, "user_inactive"),
    ),
    (
        "alpha-coder",
        SEARCH,
        (200, ""),
        "update users set enabled_features = NONE where id = 'alpha-coder'",
        (403, "user_feature_disabled"),
    ),
    (
        "omni-nurse",
        "/api/patients",
        (200, ""),
        "update users set roles = NONE where id = 'omni-nurse'",
        (403, "role_not_allowed"),
    ),
    (
        "kauvery-coder",
        SEARCH,
        (200, ""),
        "update organizations set features = '{\"codes\": false}' where id = 'org-kauvery'",
        (403, "org_feature_disabled"),
    ),
    (
        "beta-coder",
        SEARCH,
        (403, "org_feature_disabled"),
        "update organizations set features = '{\"codes\": true}' where id = 'org-beta'",
        (200, ""),
    ),
    (
        "beta-nurse",
        "/api/patients",
        (200, ""),
        "update organizations set status = 'SUSPENDED' where id = 'org-beta'",
        (401, "org_inactive"),
    ),
    (
        "lapsed-doctor",
        "/api/patients",
        (401, "org_inactive"),
        "update organizations set status = 'ACTIVE' where id = 'org-lapsed'",
        (200, ""),
    ),
];

#[tokio::test]
async fn a_changed_row_holds_at_once_with_sqlite() {
    check(Stand::sqlite().await, "'[]'").await;
}

#[tokio::test]
async fn a_changed_row_holds_at_once_with_postgres() {
    check(Stand::postgres().await, "'{}'").await;
}

async fn check(stand: Stand, none: &str) {
    for (user, target, before, change, after) in CASES {
        stand.until(user, target, *before).await;
        execute(&stand.ground.database, &change.replace("NONE", none)).await;
        stand.until(user, target, *after).await;
    }
}
