//! The results of a search are true: each set that it names reverses the decision, and no part of a set does.
//! The test checks the denied rows of the matrix.

mod demo;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use policy_store::bundle::Bundle;
use policy_store::source::FixedFacts;
use policy_store::watch::BundleStore;
use proxy::config::Tenancy;
use proxy::judge::workbench::{Ask, Workbench};

use super::Explainer;
use super::change::{Change, To};

/// One in this many denied rows is explained.
const SAMPLE: usize = 2;

fn bundle() -> Bundle {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"))
}

fn tenancy() -> Tenancy {
    Tenancy { host_suffix: Some(".clinics.example".to_owned()), ..Tenancy::default() }
}

/// Returns the reason that is given when `changes` are made to the facts themselves.
async fn after(bundles: &Arc<BundleStore>, ask: &Ask, changes: &[Change]) -> String {
    let mut facts: FixedFacts = demo::facts();
    for change in changes {
        facts.users.values_mut().for_each(|user| change.user(user));
        facts.organizations.iter_mut().for_each(|it| change.organization(it));
    }
    let bundles = Arc::clone(bundles);
    let bench = Workbench::over(bundles, Arc::new(facts), tenancy(), None, Duration::ZERO).unwrap();
    bench.judge(ask).await.unwrap().reason().to_owned()
}

/// Returns all parts of a set except the empty one and the whole.
fn parts(set: &[Change]) -> Vec<Vec<Change>> {
    let chosen = |part: usize| {
        let held = set.iter().enumerate().filter(move |(at, _)| part & (1 << at) != 0);
        held.map(|(_, change)| change.clone()).collect()
    };
    (1..(1_usize << set.len()) - 1).map(chosen).collect()
}

/// Checks the rows. Returns the number of sets that were found, and the number of rows with a set.
async fn check(rows: Vec<demo::Row>) -> (usize, usize) {
    let bundles = BundleStore::fixed(bundle());
    let explainer = Explainer::new(bundle(), Arc::new(demo::facts()), tenancy()).unwrap();
    let (mut sets, mut remedied) = (0, 0);
    for row in rows {
        let verdict = explainer.live.judge(&row.ask).await.unwrap();
        assert_eq!(verdict.reason(), row.reason, "{:?}", row.ask);
        let search = explainer.search(&row.ask, &verdict).await.unwrap();
        assert!(search.complete);
        remedied += usize::from(!search.sets.is_empty());
        sets += search.sets.len();
        for set in &search.sets {
            let set: Vec<Change> = set.iter().map(|(change, _)| change.clone()).collect();
            let reason = after(&bundles, &row.ask, &set).await;
            assert_eq!(reason, "allowed", "{:?} after {set:?}", row.ask);
            for part in parts(&set) {
                let reason = after(&bundles, &row.ask, &part).await;
                assert_ne!(reason, "allowed", "{:?} after {part:?} already", row.ask);
            }
        }
    }
    (sets, remedied)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_to_turn_a_denial_round_does() {
    // All rows would take minutes in a build without optimisation.
    let rows: Vec<demo::Row> = demo::denied().into_iter().step_by(SAMPLE).collect();
    assert!(rows.len() > 200, "{}", rows.len());
    let (even, odd): (Vec<_>, Vec<_>) =
        rows.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let halves =
        [even, odd].map(|half| tokio::spawn(check(half.into_iter().map(|(_, row)| row).collect())));
    let (mut sets, mut remedied) = (0, 0);
    for half in halves {
        let (found, with) = half.await.unwrap();
        sets += found;
        remedied += with;
    }
    assert!(sets > 200 && remedied > 100, "{sets} sets for {remedied} rows");
}

#[tokio::test]
async fn two_things_that_are_asked_at_once_are_found() {
    // Neither change alone brings the request any further.
    let sources = policy_store::bundle::Sources::read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"),
    );
    let mut sources = sources.unwrap();
    let both = r#"
@id("both") @layer("feature") @reason("both") @message("Both")
forbid (principal is User, action == Action::"codes.extract", resource)
unless { principal.features.contains(Feature::"ai_notes") && principal.roles.contains(Role::"NURSE") };
"#;
    let first = sources.policies.first_mut().unwrap();
    first.text = Arc::from(format!("{}{both}", first.text));
    let bundle = policy_store::bundle::Loader::default().load(sources).unwrap();
    let explainer = Explainer::new(bundle, Arc::new(demo::facts()), tenancy()).unwrap();
    let ask = demo::ask("kauvery-coder", "POST", "/api/codes/extract");
    let report = explainer.request(&ask).await.unwrap();
    assert_eq!(report.answer.reason, "both");
    let steps: Vec<Vec<_>> = report
        .changes
        .sets
        .iter()
        .map(|set| set.steps.iter().map(|step| (step.fact, step.any_of.clone())).collect())
        .collect();
    let expected =
        vec![("user.features", vec!["ai_notes".into()]), ("user.roles", vec!["NURSE".into()])];
    assert_eq!(steps, [expected]);
}

#[test]
fn changes_of_one_fact_exclude_one_another() {
    let status = |to: &str| Change {
        kind: policy_store::routes::FactKind::UserStatus,
        of: Arc::from("u"),
        to: To::Is(Arc::from(to)),
    };
    assert!(status("a").excludes(&status("b")));
    let role = |to: &str| Change {
        kind: policy_store::routes::FactKind::UserRoles,
        of: Arc::from("u"),
        to: To::With(Arc::from(to)),
    };
    assert!(!role("a").excludes(&role("b")));
    assert!(role("a").excludes(&role("a")));
}
