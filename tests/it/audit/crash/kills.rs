//! `kill -9` at many moments, with a database that takes the records.

use std::{collections::HashSet, time::Duration};

use sqlx::{Connection as _, PgConnection};
use tests::{
    binary, model::Dice, postgres, records::is_decision, seed::seed, stand::Ground, stand::Stand,
    upstream::Seen, wait::eventually, writers::Writers,
};

const KILLS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing_and_double_nothing() {
    let seed = seed();
    println!("CEDARGATE_SEED={seed}");
    let mut dice = Dice::new(seed);
    let database = postgres::demo_database().await;
    let builder = Stand::builder().set("audit.database", database.as_str());
    // Small enough that segments end, and are compressed, within a run.
    let ground = builder.set("audit.segment_size", "128KiB").prepare().await;
    let mut answered = HashSet::new();
    for kill in 1..=KILLS {
        let gate = ground.serve().await;
        let writers = Writers::start(gate.proxy(), 6);
        writers.wait_for(dice.between(1, 120)).await;
        tokio::time::sleep(Duration::from_micros(dice.below(5000) as u64)).await;
        gate.kill().await;
        answered.extend(writers.end().await);
        nothing_is_lost(&ground, &answered, kill);
        // Every second time as it was left, else after the next start has put it in order.
        if kill % 2 == 0 {
            verify(&ground).await;
        }
    }
    let gate = ground.serve().await;
    everything_is_closed(&ground).await;
    everything_is_in(&database, &ground).await;
    assert_eq!(gate.signal("TERM").await, Some(0));
    verify(&ground).await;
}

fn nothing_is_lost(ground: &Ground, answered: &HashSet<String>, kill: usize) {
    let records = ground.journal.records();
    let decided = records.iter().filter(|record| is_decision(record));
    let decided: HashSet<&str> = decided.map(|record| record["id"].as_str().unwrap()).collect();
    let sent = ground.upstream.requests();
    let all = answered.iter().map(String::as_str).chain(sent.iter().map(Seen::id));
    let lost: Vec<_> = all.filter(|id| !decided.contains(id)).collect();
    assert!(lost.is_empty(), "after kill {kill}, without a record: {lost:?}");
}

async fn verify(ground: &Ground) {
    let directory = ground.journal.directory().to_str().unwrap();
    let (status, said, error) =
        binary::run(ground.directory.path(), &["audit", "verify", directory]).await;
    assert_eq!(status, 0, "{said}{error}");
}

async fn everything_is_closed(ground: &Ground) {
    eventually("every intent has its outcome", || async {
        let records = ground.journal.records();
        let of = |phase: &str| -> HashSet<String> {
            let found = records.iter().filter(|record| record["phase"] == phase);
            found.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
        };
        of("intent").is_subset(&of("outcome")).then_some(())
    })
    .await;
}

/// No id is missing in the database, and none is there twice.
async fn everything_is_in(database: &str, ground: &Ground) {
    let mut written: Vec<(String, String)> = ground
        .journal
        .records()
        .iter()
        .map(|record| ["id", "phase"].map(|name| record[name].as_str().unwrap().to_owned()).into())
        .collect();
    written.sort();
    let taken: Vec<(String, String)> = eventually("the database has all records", || async {
        let mut connection = PgConnection::connect(database).await.unwrap();
        let query = sqlx::query_as("select id, phase from audit_logs order by 1, 2");
        let taken: Vec<_> = query.fetch_all(&mut connection).await.unwrap();
        (taken.len() >= written.len()).then_some(taken)
    })
    .await;
    let distinct: HashSet<_> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len(), "a record is there twice");
    assert_eq!(taken, written);
    println!("{} records in the journal and in the database", written.len());
}
