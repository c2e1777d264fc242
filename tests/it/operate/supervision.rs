//! What lives as long as the gate is started again when it falls, and that is told.

use serde_json::json;
use tests::{
    metrics::Metrics,
    sql::execute,
    stand::Stand,
    tokens::{AUDIENCE, ISSUER, TRUSTED},
    upstream::{Behaviour, Upstream},
    wait::eventually,
};

const PATIENTS: &str = "/api/patients";
/// What waits in the runtime, and can be made to fall.
const TASKS: [&str; 8] = ["admin", "fitness", "keys", "memo", "pool", "proxy", "push", "resolver"];
/// What has a thread of its own; how one falls is shown where it is made (`supervise/tests.rs`).
const THREADS: [&str; 5] =
    ["audit-archivist", "audit-courier", "audit-keeper", "audit-notary", "policies"];

/// A gate that has every task that there is but the follower of a password: its keys come from a URL,
/// its upstream has a name, and its database tells of changes.
async fn busy(provider: &Upstream) -> Stand {
    let keys = TRUSTED.key_set().to_string().into_bytes();
    provider.on("/jwks.json", Behaviour::Answer(200, Vec::new(), keys));
    let url = format!("http://{}/jwks.json", provider.address());
    let issuer = json!([{"issuer": ISSUER, "audiences": [AUDIENCE],
        "algorithms": ["EdDSA", "ES256", "RS256"], "jwks": url}]);
    let ground = Stand::builder()
        .postgres()
        .set("jwt.issuers", issuer)
        .set("facts.ttl", "60s")
        .set("audit.database", true)
        .prepare()
        .await;
    let name = format!("localhost:{}", ground.upstream.address().port());
    ground.with("upstream.address", name).start().await
}

#[tokio::test]
async fn every_task_that_falls_is_started_again_and_does_what_it_did() {
    let provider = Upstream::start();
    let stand = busy(&provider).await;
    let serves = async |what: &str| {
        eventually(what, || async {
            (stand.get("kauvery-doctor", PATIENTS).await.status == 200).then_some(())
        })
        .await;
    };
    serves("the gate serves").await;
    let metrics = Metrics::of(&stand).await;
    for task in TASKS.iter().chain(&THREADS) {
        let up = metrics.sum("cedargate_task_up", &[("task", task)]);
        assert_eq!(up.to_string(), "1", "{task}");
        assert!(metrics.label_values().contains(task), "{task} is shown");
    }
    let ready = stand.ask_admin("/readyz").await.json();
    assert!(ready["checks"]["tasks"]["warning"].is_null(), "{ready}");

    for (number, task) in TASKS.iter().enumerate() {
        assert!(stand.supervisor().drill(task) > 0, "{task} is not there");
        eventually(&format!("{task} is started again"), || async {
            let health = stand.supervisor().health();
            let fine = |it: &base::supervise::Health| {
                it.name == *task && it.restarts > 0 && it.up == Some(true)
            };
            health.iter().any(fine).then_some(())
        })
        .await;
        serves(&format!("{task} has fallen, and the gate serves")).await;
        let metrics = Metrics::of(&stand).await;
        let restarts = metrics.sum("cedargate_task_restarts_total", &[("task", task)]);
        let all = metrics.sum("cedargate_task_restarts_total", &[]);
        assert_eq!((restarts.to_string(), all.to_string()), ("1".into(), (number + 1).to_string()));
        let ready = eventually("a gate that serves again is ready", || async {
            Some(stand.ask_admin("/readyz").await).filter(|it| it.status == 200)
        })
        .await;
        let warning = ready.json()["checks"]["tasks"]["warning"].as_str().unwrap().to_owned();
        assert!(warning.contains(&format!("`{task}` was started again")), "{warning}");
    }

    // The listener of changes listens again: with this time to live nothing else would tell.
    execute(
        &stand.ground.database,
        "update users set status = 'INACTIVE' where id = 'kauvery-doctor'",
    )
    .await;
    eventually("a change is heard", || async {
        (stand.get("kauvery-doctor", PATIENTS).await.status == 401).then_some(())
    })
    .await;
}
