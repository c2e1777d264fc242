//! Facts under load on Postgres, with two gates before one database.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tests::{
    client::{Connection, Request},
    flips::{self, Report},
    metrics::Metrics,
    postgres,
    sql::execute,
    stand::Stand,
    tokens::{token, token_id},
    wait::eventually,
};

const FLIPS: usize = 500;
const CONNECTIONS: usize = 32;

/// Two gates before one database, once they listen if they do.
async fn two_gates(ttl: &str, push: bool) -> [Stand; 2] {
    let database = postgres::demo_database().await;
    let gate = || {
        Stand::builder().database(&database).set("facts.ttl", ttl).set("facts.push", push).start()
    };
    let gates = [gate().await, gate().await];
    for gate in &gates {
        eventually("the gate listens", || async { (listens(gate).await == push).then_some(()) })
            .await;
    }
    gates
}

async fn listens(gate: &Stand) -> bool {
    Metrics::of(gate).await.sum("cedargate_facts_push_up", &[]) > 0.0
}

async fn dropped(gate: &Stand, kind: &str) -> f64 {
    Metrics::of(gate).await.sum("cedargate_facts_invalidations_total", &[("kind", kind)])
}

/// Counters are whole numbers.
fn same(counter: f64, expected: f64) -> bool {
    (counter - expected).abs() < 0.5
}

async fn flip(gates: &[Stand; 2], bound: Duration) -> Report {
    let addresses: [SocketAddr; 2] = [gates[0].proxy(), gates[1].proxy()];
    let url = &gates[0].ground.database;
    let report = flips::run(&addresses, url, FLIPS, CONNECTIONS, bound).await;
    println!("{report}");
    assert!(report.times.len() >= 2 * FLIPS);
    // What was judged by the new facts once is never judged by the old ones again.
    assert_eq!(report.went_back, 0);
    report
}

#[tokio::test]
async fn a_change_that_is_told_holds_and_never_goes_back() {
    // So long a time to live that nothing is seen for any other reason. How long it takes is no
    // matter of a test: `tests/bench facts` measures it.
    let gates = two_gates("1m", true).await;
    flip(&gates, Duration::from_millis(250)).await;
    for kind in ["user", "organization", "object"] {
        assert!(dropped(&gates[0], kind).await > 50.0, "{kind}");
    }
    assert!(listens(&gates[1]).await);
}

#[tokio::test]
async fn without_being_told_no_request_is_judged_by_facts_older_than_their_time() {
    let ttl = Duration::from_millis(100);
    let report = flip(&two_gates("100ms", false).await, ttl).await;
    // Their age is counted from before the question was put: no noise of the machine can add to it.
    assert_eq!(report.late, 0);
}

#[tokio::test]
async fn only_what_has_changed_is_dropped_and_other_writes_tell_nothing() {
    let gate = Stand::builder().postgres().set("facts.ttl", "1m").start().await;
    eventually("the gate listens", || async { listens(&gate).await.then_some(()) }).await;
    let all = dropped(&gate, "all").await;
    for user in ["alpha-doctor", "beta-nurse"] {
        gate.until(user, "/api/patients", (200, "")).await;
    }
    let url = &gate.ground.database;
    // None of this decides anything.
    execute(
        url,
        "update users set name = 'Another', updated_at = now(), locale = 'de'; \
         update organizations set name = 'Another', settings = '{\"a\": 1}', tier = 'BASIC'; \
         update patients set first_name = 'Another'; update visits set status = 'CANCELLED'; \
         delete from revoked_tokens",
    )
    .await;
    execute(url, "update users set status = 'INACTIVE' where id = 'alpha-doctor'").await;
    gate.until("alpha-doctor", "/api/patients", (401, "user_inactive")).await;
    assert!(same(dropped(&gate, "user").await, 1.0));
    assert!(same(dropped(&gate, "organization").await, 0.0));
    assert!(same(dropped(&gate, "object").await, 0.0));
    assert!(same(dropped(&gate, "all").await, all));
    // Beta's nurse was not asked for again.
    let loads = |metrics: &Metrics| {
        metrics.sum("cedargate_facts_lookups_total", &[("kind", "user"), ("outcome", "miss")])
    };
    let before = loads(&Metrics::of(&gate).await);
    gate.until("beta-nurse", "/api/patients", (200, "")).await;
    assert!(same(loads(&Metrics::of(&gate).await), before));
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_refused_at_once() {
    let gate = Stand::builder().postgres().set("facts.ttl", "1m").start().await;
    eventually("the gate listens", || async { listens(&gate).await.then_some(()) }).await;
    let revoked = (401, "token_revoked");
    let jti = token_id("alpha-doctor");
    let by_id = format!(
        "insert into revoked_tokens (jti, user_id, expires_at) \
         values ('{jti}', 'alpha-doctor', now() + interval '1 hour')"
    );
    let everywhere = "update users set tokens_valid_after = now() + interval '1 minute' \
                      where id = 'beta-nurse'";
    for (user, sql) in [("alpha-doctor", by_id.as_str()), ("beta-nurse", everywhere)] {
        gate.until(user, "/api/patients", (200, "")).await;
        execute(&gate.ground.database, sql).await;
        gate.until(user, "/api/patients", revoked).await;
    }
}

#[tokio::test]
async fn a_lost_connection_makes_everything_count_no_more() {
    let gate = Stand::builder().postgres().set("facts.ttl", "1m").start().await;
    eventually("the gate listens", || async { listens(&gate).await.then_some(()) }).await;
    gate.until("alpha-doctor", "/api/patients", (200, "")).await;
    let before = dropped(&gate, "all").await;
    // Whoever listens is gone, and the change with it that nobody hears.
    execute(
        &gate.ground.database,
        "update users set status = 'INACTIVE' where id = 'alpha-doctor'; \
         select pg_terminate_backend(pid) from pg_stat_activity \
         where application_name = 'cedargate-changes' and datname = current_database()",
    )
    .await;
    gate.until("alpha-doctor", "/api/patients", (401, "user_inactive")).await;
    eventually("it listens again, and has said both", || async {
        (dropped(&gate, "all").await >= before + 2.0 && listens(&gate).await).then_some(())
    })
    .await;
    execute(&gate.ground.database, "update users set status = 'ACTIVE' where id = 'alpha-doctor'")
        .await;
    gate.until("alpha-doctor", "/api/patients", (200, "")).await;
}

#[tokio::test]
async fn one_trigger_of_two_lines_tells_of_tables_of_ones_own() {
    let gate = Stand::builder().postgres().set("facts.ttl", "1m").start().await;
    eventually("the gate listens", || async { listens(&gate).await.then_some(()) }).await;
    let url = &gate.ground.database;
    execute(
        url,
        "create table staff (staff_id bigint, name text); \
         create trigger tell_cedargate after insert or update or delete on staff \
             for each row execute function cedargate_changed('user', 'staff_id'); \
         create trigger tell_more after insert on staff \
             for each row execute function cedargate_changed('organization', 'nothing_like_it')",
    )
    .await;
    let all = dropped(&gate, "all").await;
    execute(
        url,
        "insert into staff values (7, 'A'); update staff set staff_id = 8; delete from staff",
    )
    .await;
    eventually("all of it is told", || async {
        let told = dropped(&gate, "user").await;
        // 7 came, 7 became 8, 8 went: in transactions of their own; and one that cannot be named.
        (told >= 2.0 && dropped(&gate, "all").await > all).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_judged_by_facts_that_do_not() {
    let ttl = Duration::from_millis(100);
    let gate = Stand::builder().set("facts.ttl", "100ms").start().await;
    let body = br#"{"first_name": "A", "last_name": "Patient"}"#;
    let request = Request::new("POST", "/api/patients")
        .token(&token("kauvery-doctor"))
        .json(body)
        .to_bytes(gate.proxy());
    let (first, rest) = request.split_at(request.len() - 10);
    let mut connection = Connection::open(gate.proxy()).await;
    connection.write(first).await;
    // It was let in by what was true then.
    eventually("it is judged up to its body", || async {
        let metrics = Metrics::of(&gate).await;
        (metrics.sum("cedargate_facts_lookups_total", &[("kind", "user")]) > 0.0).then_some(())
    })
    .await;
    let sql = "update users set status = 'INACTIVE' where id = 'kauvery-doctor'";
    execute(&gate.ground.database, sql).await;
    let changed = Instant::now();
    eventually("what was known before is too old", || async {
        (changed.elapsed() > ttl).then_some(())
    })
    .await;
    connection.write(rest).await;
    let answer = connection.read(false).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (401, "user_inactive"));
    assert!(gate.ground.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_stampede_asks_once() {
    let gate = Stand::builder().postgres().set("facts.ttl", "1m").start().await;
    let mut connections = Vec::new();
    for _ in 0..300 {
        connections.push(Connection::open(gate.proxy()).await);
    }
    // Refused by what it asks for, so that the upstream has nothing to do with it.
    let target = "/api/patients/patient-beta-1";
    let request = Request::get(target).token(&token("kauvery-doctor"));
    let asked: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let request = request.clone();
            tokio::spawn(async move { connection.send(&request).await.unwrap().status })
        })
        .collect();
    for one in asked {
        assert_eq!(one.await.unwrap(), 404);
    }
    let metrics = Metrics::of(&gate).await;
    let loads = |kind| {
        let labels = [("kind", kind), ("outcome", "miss")];
        metrics.sum("cedargate_facts_lookups_total", &labels)
    };
    assert!(same(loads("user"), 1.0) && same(loads("object"), 1.0));
    // The caller's own, and the one that owns the patient.
    assert!(same(loads("organization"), 2.0));
}
