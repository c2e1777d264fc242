//! Through real sockets: 2,000 requests to running gates, whose facts are in real databases.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};
use tests::{
    client::{self, Answer, Connection},
    model::{
        Outcome, Request, Tally, World, expected,
        shrink::{self, Case},
    },
    people::ROUTES,
    postgres,
    records::is_decision,
    seed::seed,
    stand::Stand,
    tokens::token,
    upstream::Seen,
};
use tokio::runtime::Runtime;

use super::{
    REASONS,
    database::{can_hold, fill},
    made_up, report,
};

/// Other worlds than those of the workbench.
const FIRST: usize = 1_000;
const WORLDS: usize = 4;
const REQUESTS: usize = 500;
const CLIENTS: usize = 8;

#[test]
fn a_running_gate_agrees_with_the_model() {
    let seed = seed();
    println!("CEDARGATE_SEED={seed}: {WORLDS} worlds of {REQUESTS} requests");
    let runtime = Runtime::new().unwrap();
    let mut tally = Tally::default();
    for number in FIRST..FIRST + WORLDS {
        match compare(&runtime, seed, number) {
            Ok(part) => tally.add(part),
            Err(report) => panic!("{report}"),
        }
    }
    println!("{tally}");
    assert_eq!(usize::try_from(tally.total()), Ok(WORLDS * REQUESTS));
    assert!(tally.reasons.len() > REASONS.len() / 2, "only these: {:?}", tally.reasons);
}

/// One world in a database of its own, before a gate of its own.
fn compare(runtime: &Runtime, seed: u64, number: usize) -> Result<Tally, String> {
    let (world, requests) = made_up(seed, number, REQUESTS, can_hold);
    let tokens = tokens(&requests);
    let directory = tempfile::tempdir().unwrap();
    let stand = runtime.block_on(stand(&world, number.is_multiple_of(2), directory.path()));
    let found = runtime.block_on(ask_all(&stand, &requests, &tokens));
    let mut tally = Tally::default();
    for (request, gate) in requests.into_iter().zip(found) {
        if gate != expected(&world, &request).outcome {
            let ask = |case: &Case| {
                let alone = std::slice::from_ref(&case.request);
                runtime.block_on(ask_all(&stand, alone, &tokens)).remove(0)
            };
            return Err(explained(seed, number, Case { world, request }, &gate, ask));
        }
        tally.count(&gate);
    }
    runtime.block_on(stand.stop());
    Ok(tally)
}

async fn stand(world: &World, postgres: bool, directory: &Path) -> Stand {
    let database = if postgres {
        postgres::shared().await.create_database(None).await
    } else {
        format!("sqlite://{}/world.db", directory.display())
    };
    fill(&database, world).await;
    let hosts = json!(world.hosts);
    Stand::builder().database(&database).set("tenancy.hosts", hosts).start().await
}

/// The report of a disagreement. What is in the database stays; what the model does not need of it
/// is left out of the report.
fn explained(
    seed: u64,
    number: usize,
    case: Case,
    gate: &Outcome,
    ask: impl Fn(&Case) -> Outcome,
) -> String {
    let verdict = |case: &Case| expected(&case.world, &case.request).outcome;
    if ask(&case) == verdict(&case) {
        let report = report(seed, number, &case, gate);
        return format!("{report}, but not when it is asked again");
    }
    let world = case.world.clone();
    let case = shrink::smallest(case, |case| case.world == world && ask(case) != verdict(case));
    let (request, gate, model) = (case.request.clone(), ask(&case), verdict(&case));
    let case = shrink::smallest(case, |case| case.request == request && verdict(case) == model);
    report(seed, number, &case, &gate)
}

fn tokens(requests: &[Request]) -> Arc<HashMap<String, String>> {
    let users: HashSet<&String> = requests.iter().filter_map(|it| it.user.as_ref()).collect();
    Arc::new(users.into_iter().map(|user| (user.clone(), token(user))).collect())
}

/// What becomes of requests that several clients send at once.
async fn ask_all(
    stand: &Stand,
    requests: &[Request],
    tokens: &Arc<HashMap<String, String>>,
) -> Vec<Outcome> {
    let address = stand.proxy();
    let clients = (0..CLIENTS.min(requests.len())).map(|first| {
        let mine = requests.iter().enumerate().skip(first).step_by(CLIENTS);
        let mine: Vec<_> = mine.map(|(at, it)| (at, it.method.clone(), sent(it, tokens))).collect();
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut answers = Vec::new();
            for (at, method, request) in mine {
                let answer = connection.send(&request).await;
                let answer = answer.unwrap_or_else(|| panic!("no answer to {method} {request:?}"));
                // The gate may end a connection whose body it did not read.
                if answer.head.header("connection").is_some_and(|value| value == "close") {
                    connection = Connection::open(address).await;
                }
                answers.push((at, answer));
            }
            answers
        })
    });
    let mut answers = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        answers.extend(client.await.unwrap());
    }
    answers.sort_by_key(|(at, _)| *at);
    seen_from_outside(stand, &answers)
}

fn sent(request: &Request, tokens: &HashMap<String, String>) -> client::Request {
    let mut sent = client::Request::new(&request.method, request.target());
    if let Some(user) = &request.user {
        sent = sent.token(&tokens[user]);
    }
    if let Some(host) = &request.host {
        sent = sent.host(host);
    }
    for (name, value) in [("X-Tenant", &request.tenant), ("X-Break-Glass", &request.break_glass)] {
        if let Some(value) = value {
            sent = sent.header(name, value);
        }
    }
    match &request.body {
        Some(body) => sent.header("Content-Type", &body.kind).body(body.text()),
        None => sent,
    }
}

/// What became of requests: what their clients, the upstream and the auditors know of it.
fn seen_from_outside(stand: &Stand, answers: &[(usize, Answer)]) -> Vec<Outcome> {
    let mut records = HashMap::new();
    for record in stand.ground.journal.records().into_iter().filter(is_decision) {
        let id = record["id"].as_str().unwrap().to_owned();
        assert!(records.insert(id, record).is_none(), "one request, one decision");
    }
    let seen = stand.ground.upstream.take().into_iter();
    let seen: HashMap<String, Seen> = seen.map(|seen| (seen.id().to_owned(), seen)).collect();
    let of = |answer: &Answer| outcome(answer, records.get(answer.id()), seen.get(answer.id()));
    answers.iter().map(|(_, answer)| of(answer)).collect()
}

fn outcome(answer: &Answer, record: Option<&Value>, seen: Option<&Seen>) -> Outcome {
    let told = |name: &str| Some(seen?.head.header(name)?.to_owned());
    let tenant = told("x-auth-tenant-id");
    let Some(record) = record else { return unrecorded(answer, seen) };
    let reason = record["reason"].as_str().unwrap().to_owned();
    let allowed = reason == "allowed";
    assert_eq!(seen.is_some(), allowed, "forwarded if and only if allowed: {record}");
    if !allowed && !answer.body.is_empty() {
        assert_eq!(answer.reason(), reason, "the client is told what is recorded");
    }
    if allowed {
        assert_eq!(record["tenant_id"].as_str(), tenant.as_deref(), "{record}");
    }
    let action = record["action"].as_str().filter(|action| *action != "unmapped");
    Outcome {
        status: answer.status,
        reason,
        action: action.map(str::to_owned),
        tenant,
        broke_glass: told("x-auth-break-glass").is_some(),
    }
}

/// What became of a request of a route that leaves no record: its path tells which.
fn unrecorded(answer: &Answer, seen: Option<&Seen>) -> Outcome {
    let seen = seen.unwrap_or_else(|| panic!("neither recorded nor forwarded: {answer:?}"));
    let path = seen.target().split('?').next().unwrap();
    let route = ROUTES.iter().find(|route| route.is_unrecorded() && route.path == path);
    assert!(route.is_some() && seen.identity().is_empty(), "forwarded without a record: {seen:?}");
    Outcome {
        status: answer.status,
        reason: "allowed".to_owned(),
        action: route.map(|route| route.action.clone()),
        tenant: None,
        broke_glass: false,
    }
}
