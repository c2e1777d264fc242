//! Every row of `decisions.csv`: the answer, the record, and what the upstream sees.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};
use tests::{
    client::{Answer, Connection, Request},
    people::{DECISIONS, Decision, Route, route},
    records::is_decision,
    stand::Stand,
    tokens::{token, token_id},
    upstream::Seen,
    wait::eventually,
};

/// How many clients ask at once.
const CLIENTS: usize = 8;

#[tokio::test]
async fn every_decision_with_sqlite() {
    check(Stand::sqlite().await).await;
}

#[tokio::test]
async fn every_decision_with_postgres() {
    check(Stand::postgres().await).await;
}

#[tokio::test]
async fn every_decision_when_nothing_is_remembered() {
    check(Stand::builder().forgetting().start().await).await;
}

async fn check(stand: Stand) {
    let answers = ask_all(&stand).await;
    let records = settled_records(&stand, &answers).await;
    let mut seen = by_id(stand.ground.upstream.take(), |seen| seen.id().to_owned());

    let mut faults = Vec::new();
    for (row, answer) in &answers {
        let records = records.get(answer.id()).map_or(&[][..], Vec::as_slice);
        let reached = seen.remove(answer.id()).unwrap_or_default();
        let found = [
            fault_of_answer(row, answer),
            fault_of_records(row, answer, records),
            fault_upstream(row, answer, &reached),
        ];
        faults.extend(found.into_iter().flatten().map(|fault| format!("{fault}\n    {row:?}")));
    }
    assert!(seen.is_empty(), "the upstream saw requests of nobody: {seen:?}");
    let some: Vec<_> = faults.iter().take(20).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), some.join("\n"));
}

async fn ask_all(stand: &Stand) -> Vec<(&'static Decision, Answer)> {
    let users: HashSet<&str> = DECISIONS.iter().map(|row| row.user.as_str()).collect();
    let tokens: HashMap<&str, String> = users.into_iter().map(|user| (user, token(user))).collect();
    let (tokens, address) = (Arc::new(tokens), stand.proxy());
    let clients = (0..CLIENTS).map(|first| {
        let tokens = Arc::clone(&tokens);
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut answers = Vec::new();
            for row in DECISIONS.iter().skip(first).step_by(CLIENTS) {
                let request = request(row, &tokens);
                let answer = connection.send(&request).await.expect("an answer");
                // The gate may end a connection whose body it did not read.
                if answer.head.header("connection").is_some_and(|value| value == "close") {
                    connection = Connection::open(address).await;
                }
                answers.push((row, answer));
            }
            answers
        })
    });
    let mut answers = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        answers.extend(client.await.unwrap());
    }
    answers
}

fn request(row: &Decision, tokens: &HashMap<&str, String>) -> Request {
    let mut request = Request::new(&row.method, &row.path);
    if !row.user.is_empty() {
        request = request.token(&tokens[row.user.as_str()]);
    }
    if !row.host.is_empty() {
        request = request.host(&row.host);
    }
    for (name, value) in [("X-Tenant", &row.tenant), ("X-Break-Glass", &row.break_glass)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    let writes = ["POST", "PUT", "PATCH"].contains(&row.method.as_str());
    match row.body.as_str() {
        "" if writes => request.json("{}"),
        "" => request,
        body => request.json(body),
    }
}

/// The records of all, by request, once every request that is recorded has come to its end.
async fn settled_records(
    stand: &Stand,
    answers: &[(&Decision, Answer)],
) -> HashMap<String, Vec<Value>> {
    let recorded = answers.iter().filter(|(row, _)| !is_unrecorded(row)).count();
    let records = eventually("the record of every request", || async {
        let records = stand.ground.journal.records();
        let ended = |record: &&Value| record["phase"] == "denial" || record["phase"] == "outcome";
        (records.iter().filter(ended).count() >= recorded).then_some(records)
    });
    by_id(records.await, |record| record["id"].as_str().unwrap_or_default().to_owned())
}

fn by_id<T>(items: Vec<T>, id: impl Fn(&T) -> String) -> HashMap<String, Vec<T>> {
    let mut found: HashMap<String, Vec<T>> = HashMap::new();
    for item in items {
        found.entry(id(&item)).or_default().push(item);
    }
    found
}

fn is_unrecorded(row: &Decision) -> bool {
    route(&row.action).is_some_and(Route::is_unrecorded)
}

fn fault_of_answer(row: &Decision, answer: &Answer) -> Option<String> {
    if answer.status != row.status {
        let (status, reason) = (answer.status, answer.reason());
        return Some(format!("answered {status} {reason}, not {} {}", row.status, row.reason));
    }
    if row.reason == "allowed" {
        return None;
    }
    let body = answer.json();
    let expected = json!({"reason": row.reason, "status": row.status, "type": "about:blank",
        "request_id": answer.id()});
    let differs = expected.as_object()?.iter().find(|(name, value)| body[name.as_str()] != **value);
    differs.map(|(name, value)| format!("the body's {name} is not {value}: {body}"))
}

fn fault_of_records(row: &Decision, answer: &Answer, records: &[Value]) -> Option<String> {
    if is_unrecorded(row) {
        return (!records.is_empty()).then(|| format!("recorded and should not be: {records:?}"));
    }
    let decisions: Vec<_> = records.iter().filter(|record| is_decision(record)).collect();
    let [decision] = decisions[..] else {
        return Some(format!("{} records of the decision", decisions.len()));
    };
    let allowed = row.reason == "allowed";
    let action = if row.action.is_empty() { "unmapped" } else { &row.action };
    let mut expected = json!({
        "phase": if allowed { "intent" } else { "denial" }, "reason": row.reason, "action": action,
        "decision": if allowed { "allow" } else { "deny" }, "method": row.method,
        "endpoint": row.path.split('?').next(),
    });
    if !allowed {
        expected["status"] = row.status.into();
    }
    let differs = expected.as_object()?.iter().find(|(name, value)| decision[*name] != **value);
    if let Some((name, value)) = differs {
        return Some(format!("the record's {name} is not {value}: {decision}"));
    }
    let outcomes: Vec<_> = records.iter().filter(|record| record["phase"] == "outcome").collect();
    match outcomes[..] {
        [] if !allowed => None,
        [outcome]
            if allowed && outcome["status"] == answer.status && outcome["success"] == true =>
        {
            None
        }
        _ => Some(format!("outcomes: {outcomes:?}")),
    }
}

fn fault_upstream(row: &Decision, answer: &Answer, reached: &[Seen]) -> Option<String> {
    if row.reason != "allowed" {
        return (!reached.is_empty()).then(|| "reached the upstream".to_owned());
    }
    let [seen] = reached else {
        return Some(format!("reached the upstream {} times", reached.len()));
    };
    let identity = row.identity(&token_id(&row.user));
    if seen.identity() != identity {
        let found = seen.identity();
        return Some(format!("the upstream was told {found:?}, not {identity:?}"));
    }
    let as_it_came = (seen.method(), seen.target()) == (row.method.as_str(), row.path.as_str());
    let without_token = seen.head.header("authorization").is_none();
    let id_once = seen.head.all("x-request-id").eq([answer.id()]);
    let whole = as_it_came && without_token && id_once;
    (!whole).then(|| format!("forwarded as {:?}", String::from_utf8_lossy(&seen.raw_head)))
}
