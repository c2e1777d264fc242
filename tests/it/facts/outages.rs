//! A database that fails in every way that databases do, with requests running all the while: each
//! fault denies what it must and nothing else, nothing is allowed that must not be, and what comes
//! back is used again without a restart.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tests::{
    client::{Connection, Request},
    metrics::Metrics,
    postgres::Cluster,
    sql::{execute, number},
    stand::{Builder, Stand, prepare_database},
    tokens::token,
    wait::eventually,
};

/// Who asks for what, and whether that may ever be allowed.
const ASKED: [(&str, &str, bool); 4] = [
    ("kauvery-doctor", "/api/patients", true),
    ("alpha-doctor", "/api/patients/patient-alpha-1", true),
    ("alpha-doctor", "/api/patients/patient-beta-1", false),
    ("beta-coder", "/api/codes/icd10/search?q=a", false),
];

/// What was answered.
#[derive(Debug, Clone)]
struct Seen {
    who: usize,
    status: u16,
    reason: String,
    took: Duration,
}

/// Requests that run as long as it is held.
struct Load {
    seen: Arc<Mutex<Vec<Seen>>>,
    allowed: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(stand: &Stand) -> Self {
        let (seen, stop) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicBool>::default());
        let (allowed, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let client = |number: usize| {
            let (seen, stop, proxy) = (Arc::clone(&seen), Arc::clone(&stop), stand.proxy());
            let (allowed, refused) = (Arc::clone(&allowed), Arc::clone(&refused));
            tokio::spawn(async move {
                let who = number % ASKED.len();
                let request = Request::get(ASKED[who].1).token(&token(ASKED[who].0));
                let mut connection = Connection::open(proxy).await;
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = connection.send(&request).await.unwrap();
                    let (status, reason) = (answer.status, answer.reason());
                    allowed.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                    refused.fetch_add(usize::from(status == 503), Ordering::Relaxed);
                    seen.lock().unwrap().push(Seen { who, status, reason, took: began.elapsed() });
                }
            })
        };
        let clients = (0..16).map(client).collect();
        Self { seen, allowed, refused, stop, clients }
    }

    /// Waits for so many more answers with this status, 200 or 503.
    async fn until(&self, status: u16, count: usize) {
        let counter = if status == 200 { &self.allowed } else { &self.refused };
        let wanted = counter.load(Ordering::Relaxed) + count;
        eventually(&format!("{count} more answers with {status}"), || async {
            (counter.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    /// Ends it: nothing was answered but what the policies say and 503, and nothing was allowed that
    /// may not be. Prints what was seen.
    async fn stop(self, what: &str) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let mut answers: BTreeMap<(u16, &str), usize> = BTreeMap::new();
        for it in &seen {
            *answers.entry((it.status, it.reason.as_str())).or_default() += 1;
            let (user, target, may) = ASKED[it.who];
            let fine = match it.status {
                200 => may,
                503 => it.reason == "facts_unavailable",
                403 | 404 => !may,
                _ => false,
            };
            assert!(fine, "{what}: {user} {target}: {it:?}");
        }
        let longest = seen.iter().map(|it| it.took).max().unwrap_or_default();
        println!("{what}: {answers:?}; the longest took {longest:.1?}");
        seen
    }
}

/// Facts that are asked for all the time, and for half a second at the most.
fn impatient() -> Builder {
    Stand::builder().set("facts.ttl", "300ms").set("facts.timeout", "500ms")
}

async fn own_cluster() -> (Cluster, String) {
    let cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    prepare_database(&url).await;
    (cluster, url)
}

/// Eight for facts, one that listens, one that probes.
const MOST: u64 = 10;

/// Waits until gates have no more than [`MOST`] connections to this database. One that was cut is still counted until
/// its server process has ended, which takes a moment.
async fn connections_are_few(url: &str) {
    let count = "select count(*) from pg_stat_activity \
                 where application_name like 'cedargate%' and datname = current_database()";
    eventually("the gate has few connections", || async {
        (number(url, count).await <= MOST).then_some(())
    })
    .await;
}

/// Ends the server processes of gates' connections to the same database.
const CUT: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where application_name like 'cedargate%' and datname = current_database()";

/// The fixed scenario: a question waits at a lock when its connection is cut. The question is put again, over another
/// connection, and its request is allowed.
#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_question_denies_nobody() {
    let stand = Stand::builder().postgres().set("facts.ttl", "0s").start().await;
    let url = &stand.ground.database;
    assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200);
    let mut holder = PgConnection::connect(url).await.unwrap();
    let lock = "begin; lock table users in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let proxy = stand.proxy();
    let asked = tokio::spawn(async move {
        let request = Request::get("/api/patients").token(&token("kauvery-doctor"));
        tests::client::send(proxy, &request).await.status
    });
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                   and application_name like 'cedargate%' and datname = current_database()";
    let waits = async || (number(url, waiting).await > 0).then_some(());
    eventually("the question waits", waits).await;
    execute(url, &format!("{CUT} and wait_event_type = 'Lock'")).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    assert_eq!(asked.await.unwrap(), 200);
}

/// By chance: what is in the middle of a question when a connection is cut, differs each time.
#[tokio::test]
async fn connections_that_are_cut_again_and_again_are_replaced() {
    let stand = Stand::builder().postgres().set("facts.ttl", "300ms").start().await;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    for _ in 0..10 {
        execute(&stand.ground.database, CUT).await;
        load.until(200, 20).await;
        connections_are_few(&stand.ground.database).await;
    }
    let seen = load.stop("connections cut").await;
    let denied = seen.iter().filter(|it| it.status == 503).count();
    println!("{denied} of {} were denied", seen.len());
}

#[tokio::test]
async fn a_database_that_is_shut_down_fails_at_once_and_comes_back() {
    let (mut cluster, url) = own_cluster().await;
    // So long that nobody sees the end who waits for it.
    let stand = Stand::builder()
        .database(&url)
        .set("facts.ttl", "50ms")
        .set("facts.timeout", "30s")
        .start()
        .await;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    cluster.stop_immediate();
    // Sixteen clients that waited for half a minute each would take a quarter of an hour.
    load.until(503, 500).await;
    eventually("the gate is not ready", || async {
        (stand.ask_admin("/readyz").await.status == 503).then_some(())
    })
    .await;
    cluster.start_again().await;
    load.until(200, 100).await;
    connections_are_few(&url).await;
    load.stop("shut down and started again").await;
    stand.until("kauvery-doctor", "/api/patients", (200, "")).await;
}

#[tokio::test]
async fn a_lock_on_a_table_denies_who_needs_it_and_recovers() {
    let stand = impatient().postgres().start().await;
    let url = &stand.ground.database;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    let mut holder = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("begin; lock table users in access exclusive mode")
        .execute(&mut holder)
        .await
        .unwrap();
    load.until(503, 40).await;
    connections_are_few(url).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    load.until(200, 100).await;
    load.stop("users locked").await;
}

#[tokio::test]
async fn loads_that_hang_exhaust_nothing() {
    let stand = impatient().postgres().start().await;
    let url = &stand.ground.database;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    let mut holder = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("begin; lock table patients in access exclusive mode")
        .execute(&mut holder)
        .await
        .unwrap();
    // Each of these asks for another patient, more of them than there are connections.
    let many: Vec<_> = (0..64)
        .map(|number| {
            let request = Request::get(format!("/api/patients/nobody-{number}"));
            let request = request.token(&token("alpha-doctor"));
            let proxy = stand.proxy();
            tokio::spawn(async move { tests::client::send(proxy, &request).await.status })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), 503);
    }
    connections_are_few(url).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    load.until(200, 100).await;
    load.stop("patients locked").await;
    stand.until("alpha-doctor", "/api/patients/nobody-1", (404, "not_found")).await;
}

#[tokio::test]
async fn a_broken_row_denies_its_user_alone() {
    // Not impatient: a machine that is busy would deny others, too.
    let stand = Stand::builder().postgres().set("facts.ttl", "300ms").start().await;
    let url = &stand.ground.database;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    for (broken, mended) in [
        (
            "alter table users alter status drop not null; update users set status = null where id = 'kauvery-nurse'",
            "update users set status = 'ACTIVE' where id = 'kauvery-nurse'",
        ),
        (
            "update users set roles = '{NURSE,WIZARD}' where id = 'kauvery-nurse'",
            "update users set roles = '{NURSE}' where id = 'kauvery-nurse'",
        ),
        (
            "update users set roles = '{NURSE,NULL}' where id = 'kauvery-nurse'",
            "update users set roles = '{NURSE}' where id = 'kauvery-nurse'",
        ),
        (
            "alter table users drop constraint users_organization_exists; \
          update users set organization_id = 'org-nowhere' where id = 'kauvery-nurse'",
            "update users set organization_id = 'org-kauvery' where id = 'kauvery-nurse'",
        ),
    ] {
        stand.until("kauvery-nurse", "/api/patients", (200, "")).await;
        execute(url, broken).await;
        stand.until("kauvery-nurse", "/api/patients", (503, "facts_unavailable")).await;
        load.until(200, 20).await;
        execute(url, mended).await;
    }
    let seen = load.stop("broken rows").await;
    assert!(seen.iter().all(|it| it.status != 503));
}

#[tokio::test]
async fn a_password_that_is_rotated_is_followed() {
    let (cluster, url) = own_cluster().await;
    execute(
        &url,
        "create role gate login password 'first'; grant select on all tables in schema public to gate",
    )
    .await;
    cluster.demand_passwords("gate").await;
    // Not impatient: signing in takes a busy machine longer than half a second.
    let stand = Stand::builder().database(&url).set("facts.ttl", "300ms").prepare().await;
    let file = stand.directory.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let theirs = url.replace("cedargate@", "gate@");
    let stand =
        stand.with("facts.database", theirs.as_str()).with("facts.password_file", "password");
    let stand = stand.start().await;
    let load = Load::start(&stand);
    load.until(200, 50).await;
    // What stands may stay; new connections have to know the new one.
    execute(
        &url,
        "alter role gate password 'second'; \
         select pg_terminate_backend(pid) from pg_stat_activity where usename = 'gate'",
    )
    .await;
    load.until(503, 40).await;
    std::fs::write(&file, "second\n").unwrap();
    load.until(200, 100).await;
    load.stop("password rotated").await;
}

#[tokio::test]
async fn an_outage_may_be_bridged_for_reads_and_the_record_says_so() {
    let (mut cluster, url) = own_cluster().await;
    let stand = Stand::builder()
        .database(&url)
        .set("facts.ttl", "300ms")
        .set("facts.dangerous_stale_for", "1h")
        .start()
        .await;
    for user in ["kauvery-doctor", "kauvery-nurse", "alpha-doctor"] {
        stand.until(user, "/api/patients", (200, "")).await;
    }
    // What is known to have changed is not used, old or not: the news of it has to be here before
    // the state that it tells of is asked for, or it would drop that, too.
    let dropped = async || {
        Metrics::of(&stand).await.sum("cedargate_facts_invalidations_total", &[("kind", "user")])
    };
    let before = dropped().await;
    execute(&url, "update users set status = 'INACTIVE' where id = 'kauvery-nurse'").await;
    eventually("the change is known", async || (dropped().await > before).then_some(())).await;
    stand.until("kauvery-nurse", "/api/patients", (401, "user_inactive")).await;
    let before = stand.get("kauvery-doctor", "/api/patients").await;
    let record = stand.ground.journal.decision(before.id()).await;
    assert!(record["details"].get("stale_facts").is_none(), "{record}");
    cluster.stop_immediate();
    let bridged = eventually("an outage is bridged", || async {
        let answer = stand.get("kauvery-doctor", "/api/patients").await;
        assert_eq!(answer.status, 200, "{}", answer.reason());
        let record = stand.ground.journal.decision(answer.id()).await;
        (record["details"]["stale_facts"] == json!(true)).then_some(record)
    })
    .await;
    assert!(bridged["facts_age_ms"].as_u64().unwrap() >= 50, "{bridged}");
    // Facts that are not bridged are those that were never there, and those for writes.
    let write = stand.send_json("kauvery-doctor", "POST", "/api/patients", &json!({})).await;
    assert_eq!((write.status, write.reason().as_str()), (503, "facts_unavailable"));
    let stranger = stand.get("omni-nurse", "/api/patients").await;
    assert_eq!((stranger.status, stranger.reason().as_str()), (503, "facts_unavailable"));
    let inactive = stand.get("kauvery-nurse", "/api/patients").await;
    assert_eq!((inactive.status, inactive.reason().as_str()), (401, "user_inactive"));
    cluster.start_again().await;
    eventually("facts are fresh again", || async {
        let answer = stand.get("kauvery-doctor", "/api/patients").await;
        let record = stand.ground.journal.decision(answer.id()).await;
        (answer.status == 200 && record["details"].get("stale_facts").is_none()).then_some(())
    })
    .await;
}
