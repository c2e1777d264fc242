//! What clients, signed in or not, can have remembered.

use std::path::Path;

use serde_json::json;
use tests::binary::Binary;
use tests::client::{Connection, Request};
use tests::metrics::Metrics;
use tests::stand::Stand;
use tests::tokens::token;

/// Much less than what is asked for below would take.
const MEMORY: u64 = 2 << 20;
/// What a process may need besides: buffers, threads, what an allocator keeps.
const BESIDES: u64 = 14 << 20;

async fn gate(ground: &Path) -> Binary {
    Binary::serve_limited(ground, "4096:4096").await
}

/// Sends requests that are all different, and looks at what the process and its own count say.
async fn check(what: &str, requests: impl Fn(usize) -> Request) {
    let memory = json!({"decisions": "2MiB", "facts": "2MiB", "tokens": "2MiB"});
    // As many threads on any machine: each keeps memory of its own.
    let ground = Stand::builder().set("memory", memory).set("workers", 2).prepare().await;
    let gate = gate(ground.directory.path()).await;
    let mut connection = Connection::open(gate.proxy()).await;
    let mut send = async |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let answer = connection.send(&requests(number)).await.unwrap();
            assert!((200..500).contains(&answer.status), "{what}: {}", answer.status);
        }
    };
    send(0..100).await;
    let before = gate.memory();
    send(100..700).await;
    let grown = gate.memory().saturating_sub(before);
    println!("{what}: {grown} bytes more");
    assert!(grown < MEMORY + BESIDES, "{what}: {grown} bytes more");
    let metrics = Metrics::at(gate.admin()).await;
    for memory in ["decisions", "facts", "tokens"] {
        let labels = [("memory", memory)];
        let held = metrics.sum("cedargate_memory_held_bytes", &labels);
        let limit = metrics.sum("cedargate_memory_limit_bytes", &labels);
        assert_eq!(super::whole(limit), MEMORY, "{memory}");
        assert!(held <= limit, "{what}: {memory} holds {held} of {limit}");
    }
    assert_eq!(gate.signal("TERM").await, Some(0));
}

/// 60 KB of names that nobody has sent before, with each request: refused, and not remembered.
#[tokio::test]
async fn member_names_of_bodies_fill_no_memory() {
    check("names", |number| {
        let name =
            |member: usize| (format!("{number:08}-{member:04}-{}", "x".repeat(180)), json!(1));
        let body: serde_json::Map<_, _> = (0..300).map(name).collect();
        let body = serde_json::Value::Object(body).to_string();
        Request::new("PATCH", "/api/users/me").token(&token("kauvery-coder")).json(body)
    })
    .await;
}

#[tokio::test]
async fn paths_and_methods_fill_no_memory() {
    check("paths", |number| {
        let long = "x".repeat(7_900);
        Request::new("PROPFIND", format!("/api/{number}/{long}")).token(&token("kauvery-coder"))
    })
    .await;
    check("queries", |number| {
        let long = "x".repeat(7_900);
        Request::get(format!("/api/patients/{number}?{long}")).token(&token("kauvery-doctor"))
    })
    .await;
}

#[tokio::test]
async fn tenants_and_objects_that_do_not_exist_fill_no_memory() {
    check("tenants", |number| {
        let slug = format!("{number}-{}", "x".repeat(20_000));
        Request::get("/api/patients").token(&token("platform-admin")).header("X-Tenant", slug)
    })
    .await;
    check("objects", |number| {
        let long = "x".repeat(7_900);
        Request::get(format!("/api/patients/{number}{long}")).token(&token("kauvery-doctor"))
    })
    .await;
}

/// How much the gate remembers of what kind after a few equal requests, with these keys set to `0B`.
async fn held_without(forgotten: &[&str]) -> [bool; 2] {
    let mut builder = Stand::builder();
    for key in forgotten {
        builder = builder.set(key, "0B");
    }
    let stand = builder.start().await;
    for _ in 0..3 {
        assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200);
    }
    let metrics = Metrics::of(&stand).await;
    let held = |memory| metrics.sum("cedargate_memory_held_bytes", &[("memory", memory)]) > 0.0;
    [held("decisions"), held("tokens")]
}

#[tokio::test]
async fn decisions_and_tokens_are_forgotten_each_by_a_key_of_its_own() {
    for (forgotten, expected) in [
        (&[][..], [true, true]),
        (&["memory.decisions"], [false, true]),
        (&["memory.tokens"], [true, false]),
        (&["memory.decisions", "memory.tokens"], [false, false]),
    ] {
        assert_eq!(held_without(forgotten).await, expected, "{forgotten:?}");
    }
}
