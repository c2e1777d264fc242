//! What strangers can have written to the disk.

use serde_json::Value;
use tests::client::{Connection, Request};
use tests::stand::Stand;
use tests::wait::eventually;

/// Sends equal requests over one connection.
async fn flood(stand: &Stand, request: &Request, count: usize) -> std::time::Duration {
    let mut connection = Connection::open(stand.proxy()).await;
    let began = std::time::Instant::now();
    for _ in 0..count {
        let answer = connection.send(request).await.unwrap();
        assert!(answer.status < 500, "{}", answer.status);
    }
    began.elapsed()
}

/// How often summaries count this, somewhere in `part`.
fn summed(records: &[Value], part: &str) -> u64 {
    fn all(value: &Value) -> u64 {
        value
            .as_u64()
            .unwrap_or_else(|| value.as_object().into_iter().flatten().map(|(_, it)| all(it)).sum())
    }
    records.iter().map(|record| all(&record["details"]["summary"][part])).sum()
}

#[tokio::test]
async fn what_a_stranger_wrote_is_cut_in_the_record() {
    let stand = Stand::sqlite().await;
    let long = "x".repeat(7_000);
    for request in [
        Request::get(format!("/api/patients/{long}")),
        Request::get(format!("/api/patients/{long}")).token("not-a-token"),
        Request::get(format!("/api/patients/{}", "x".repeat(300))),
    ] {
        let answer = stand.send(&request).await;
        let record = stand.ground.journal.decision(answer.id()).await;
        let size = |name: &str| record[name].as_str().map_or(0, str::len);
        assert!(size("endpoint") <= 512 && size("resource_id") <= 128, "{record}");
        assert!(record.to_string().len() < 2_000, "{record}");
        assert_eq!(answer.status, 401, "{record}");
    }
    // Somebody who is known answers for what they wrote: it is kept whole.
    let path = format!("/api/patients/{long}");
    let answer = stand.get("kauvery-doctor", &path).await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_eq!((&record["endpoint"], &record["resource_id"]), (&path.into(), &long.into()));
}

#[tokio::test]
async fn refusals_of_strangers_are_bounded_in_bytes() {
    const BYTES: u64 = 20_000;
    let stand = Stand::builder().set("audit.anonymous_bytes_per_second", BYTES).start().await;
    let request = Request::get(format!("/api/patients/{}", "x".repeat(7_000)));
    let took = flood(&stand, &request, 400).await;
    let records = eventually("all are accounted for", || async {
        let records = stand.ground.journal.records();
        let single = records.iter().filter(|it| it["reason"] == "token_missing").count() as u64;
        (single + summed(&records, "counts") == 400).then_some(records)
    })
    .await;
    let written: usize = records.iter().map(|record| record.to_string().len()).sum();
    let seconds = took.as_secs() + 2;
    assert!((written as u64) < (BYTES + 4_000) * seconds, "{written} bytes in {seconds} s");
}

#[tokio::test]
async fn public_routes_are_summed_up_beyond_the_bound_by_action_and_status() {
    let stand = Stand::builder().set("audit.anonymous_per_second", 3).start().await;
    let login = Request::new("POST", "/api/auth/login").json(r#"{"email":"a@b","password":"c"}"#);
    let took = flood(&stand, &login, 300).await;
    let forwarded = stand.ground.upstream.requests().len() as u64;
    assert_eq!(forwarded, 300, "all are forwarded");
    let records = eventually("all are accounted for", || async {
        let records = stand.ground.journal.records();
        let of = |phase: &str| {
            let own = |it: &&Value| it["action"] == "auth.login" && it["phase"] == phase;
            records.iter().filter(own).count() as u64
        };
        let begun = of("intent") + summed(&records, "forwarded");
        let ended = of("outcome") + summed(&records, "ended");
        (begun == forwarded && ended == forwarded).then_some(records)
    })
    .await;
    let seconds = took.as_secs() + 2;
    assert!((records.len() as u64) <= (2 * 3 + 2) * seconds, "{} in {seconds} s", records.len());
    let by_status: u64 = records
        .iter()
        .filter_map(|it| it["details"]["summary"]["ended"]["auth.login"]["200"].as_u64())
        .sum();
    assert_eq!(by_status, summed(&records, "ended"));
}
