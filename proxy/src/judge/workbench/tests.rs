use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::facts::{OrganizationFacts, UserFacts};
use policy_store::source::FixedFacts;
use policy_store::watch::BundleStore;

use super::{Ask, Notebook, TTL, Workbench};
use crate::config::Tenancy;
use crate::judge::pipeline::{Moment, Witness};

fn facts() -> FixedFacts {
    let organization = OrganizationFacts {
        id: Arc::from("o"),
        slug: Arc::from("o"),
        status: Arc::from("ACTIVE"),
        deleted: false,
        features: vec![Arc::from("codes")],
        workflows: Vec::new(),
        group: None,
    };
    let user = |id: &str, role: &str| UserFacts {
        id: Arc::from(id),
        organization: Some(Arc::from("o")),
        roles: vec![Arc::from(role)],
        features: Vec::new(),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    };
    let users = [user("d", "DOCTOR"), user("c", "OTHER")];
    FixedFacts {
        users: users.into_iter().map(|it| (Arc::clone(&it.id), it)).collect(),
        organizations: vec![organization],
        objects: HashMap::new(),
    }
}

#[tokio::test]
async fn it_judges_as_the_gate_does() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    let notebook = Arc::new(Notebook::new(Arc::new(facts())));
    let witness = Arc::new(Witness::default());
    let bench = Workbench::over(
        BundleStore::fixed(bundle),
        notebook.clone(),
        Tenancy::default(),
        Some(witness),
        TTL,
    )
    .unwrap();
    let check = async |user: Option<&str>, target: &str, reason: &str| {
        let ask = Ask {
            user: user.map(Arc::from),
            method: "GET".to_owned(),
            target: target.to_owned(),
            ..Ask::default()
        };
        let verdict = bench.judge(&ask).await.unwrap();
        assert_eq!(verdict.reason(), reason, "{ask:?}");
        verdict
    };
    check(None, "/api/patients", "token_missing").await;
    check(Some("x"), "/api/patients", "user_unknown").await;
    check(Some("c"), "/api/patients", "outside_boundary").await;
    check(Some("c"), "/api/../x", "path_invalid").await;
    check(Some("d"), "/api/patients/p", "not_found").await;
    let denied = check(Some("c"), "/api/codes/icd10/search", "user_feature_disabled").await;
    assert_eq!(denied.record.policies, [Arc::from("user-feature")]);
    let allowed = check(Some("d"), "/api/patients", "allowed").await;
    assert_eq!(allowed.record.policies, [Arc::from("clinic-staff")]);
    let moments: Vec<Moment> = allowed.questions.iter().map(|put| put.moment).collect();
    assert_eq!(moments, [Moment::Early, Moment::Late]);
    assert_eq!(notebook.notes().users.len(), 3);
}
