//! `kill -9` under load: what a client was told is on disk, and what the upstream was sent was
//! written down before.

mod kills;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tests::{
    client::{Connection, Request},
    stand::{Ground, Stand},
    tokens::token,
    wait::{eventually, in_time},
};

/// After how many answers the gate is killed, one run each.
const MOMENTS: [usize; 4] = [1, 40, 150, 400];
const CLIENTS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_or_sent_is_lost() {
    let ground = Stand::builder().prepare().await;
    let mut answered = HashSet::new();
    for moment in MOMENTS {
        answered.extend(load_and_kill(&ground, moment).await);
        let recorded = decisions(&ground);
        let lost: Vec<_> = answered.difference(&recorded).collect();
        assert!(lost.is_empty(), "answered and not on disk: {lost:?}");
        let sent: HashSet<String> =
            ground.upstream.requests().iter().map(|seen| seen.id().to_owned()).collect();
        let unwritten: Vec<_> = sent.difference(&recorded).collect();
        assert!(unwritten.is_empty(), "sent and not written down: {unwritten:?}");
    }
    let gate = ground.serve().await;
    open_intents_are_closed(&ground).await;
    let answer = tests::client::send(gate.proxy(), &request("kauvery-doctor")).await;
    assert_eq!(answer.status, 200);
    ids_are_decided_once(&ground);
}

fn request(user: &str) -> Request {
    Request::get("/api/patients").token(&token(user))
}

/// Lets clients ask until the gate has answered `moment` times, and kills it. Gives the ids of
/// what was answered.
async fn load_and_kill(ground: &Ground, moment: usize) -> HashSet<String> {
    let gate = ground.serve().await;
    let (answered, over) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(AtomicBool::new(false)));
    let address = gate.proxy();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            let request = request(["kauvery-doctor", "kauvery-coder"][n % 2]);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                while !over.load(Ordering::Relaxed) {
                    let Some(answer) = connection.send(&request).await else { return };
                    answered.lock().unwrap().insert(answer.id().to_owned());
                }
            })
        })
        .collect();
    eventually("enough answers", || async {
        (answered.lock().unwrap().len() >= moment).then_some(())
    })
    .await;
    gate.kill().await;
    over.store(true, Ordering::Relaxed);
    for client in clients {
        in_time("the client ends", client).await.unwrap();
    }
    std::mem::take(&mut *answered.lock().unwrap())
}

fn decisions(ground: &Ground) -> HashSet<String> {
    let records = ground.journal.records();
    let decided = records.iter().filter(|record| tests::records::is_decision(record));
    decided.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

fn ids(records: &[Value], phase: &str) -> Vec<String> {
    let of_phase = records.iter().filter(|record| record["phase"] == phase);
    of_phase.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

async fn open_intents_are_closed(ground: &Ground) {
    eventually("every intent has its outcome", || async {
        let records = ground.journal.records();
        let closed: HashSet<String> = ids(&records, "outcome").into_iter().collect();
        ids(&records, "intent").iter().all(|id| closed.contains(id)).then_some(())
    })
    .await;
    let records = ground.journal.records();
    let outcomes = records.iter().filter(|record| record["phase"] == "outcome");
    let odd: Vec<_> = outcomes.filter(|record| record["success"] != true).collect();
    assert!(odd.iter().all(|record| record["success"].is_null()), "{odd:?}");
}

fn ids_are_decided_once(ground: &Ground) {
    let records = ground.journal.records();
    for phases in [&["intent", "denial"][..], &["outcome"]] {
        let all: Vec<String> = phases.iter().flat_map(|phase| ids(&records, phase)).collect();
        let once: HashSet<&String> = all.iter().collect();
        assert_eq!(all.len(), once.len(), "{phases:?}");
    }
}

#[tokio::test]
async fn an_intent_whose_answer_never_came_is_closed_at_the_next_start() {
    let ground = Stand::builder().prepare().await;
    ground.upstream.on("/api/patients", tests::upstream::Behaviour::Silence);
    let gate = ground.serve().await;
    let mut connection = Connection::open(gate.proxy()).await;
    connection.write(&request("kauvery-doctor").to_bytes(gate.proxy())).await;
    let id = ground.upstream.wait_for(1).await.remove(0).id().to_owned();
    gate.kill().await;
    assert!(connection.read(false).await.is_none());
    assert_eq!(ids(&ground.journal.records(), "intent"), [id.as_str()]);

    let _gate = ground.serve().await;
    let outcome = ground.journal.outcome(&id).await;
    assert!(outcome["success"].is_null(), "{outcome}");
}

#[tokio::test]
async fn a_half_written_line_does_not_hide_what_follows() {
    let ground = Stand::builder().prepare().await;
    let gate = ground.serve().await;
    let first = tests::client::send(gate.proxy(), &request("kauvery-coder")).await;
    gate.kill().await;
    let files = std::fs::read_dir(ground.journal.directory()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut text = std::fs::read(files.last().unwrap()).unwrap();
    text.extend_from_slice(b"{\"id\":\"0199");
    std::fs::write(files.last().unwrap(), text).unwrap();

    let gate = ground.serve().await;
    let second = tests::client::send(gate.proxy(), &request("kauvery-coder")).await;
    for answer in [first, second] {
        assert_eq!(ground.journal.decision(answer.id()).await["reason"], "outside_boundary");
    }
}

#[tokio::test]
async fn a_stop_that_is_asked_for_loses_nobody() {
    let ground = Stand::builder().prepare().await;
    let slow = std::time::Duration::from_millis(300);
    ground.upstream.on("/api/patients", tests::upstream::Behaviour::Delay(slow));
    let gate = ground.serve().await;
    let mut connection = Connection::open(gate.proxy()).await;
    connection.write(&request("kauvery-doctor").to_bytes(gate.proxy())).await;
    let id = ground.upstream.wait_for(1).await.remove(0).id().to_owned();
    let (status, answer) = tokio::join!(gate.signal("TERM"), connection.read(false));
    assert_eq!((status, answer.unwrap().status), (Some(0), 200));
    assert_eq!(ground.journal.outcome(&id).await["success"], true);
}
