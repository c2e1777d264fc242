//! What is too much, too many, too slow or in the wrong place.

use std::time::Duration;

use serde_json::json;
use tests::{
    client::{Answer, Connection, Request},
    stand::Stand,
    tokens::token,
};

const USER: &str = "kauvery-doctor";

fn reason(answer: &Answer) -> (u16, String) {
    (answer.status, answer.reason())
}

fn is(answer: &Answer, status: u16, why: &str) -> bool {
    reason(answer) == (status, why.to_owned())
}

#[tokio::test]
async fn more_requests_a_second_than_a_client_may_send() {
    let stand = Stand::builder().set("limits.requests_per_second", 5).start().await;
    let mut connection = Connection::open(stand.proxy()).await;
    let request = Request::get("/api/patients").token(&token(USER));
    let mut limited = None;
    for _ in 0..500 {
        let answer = connection.send(&request).await.unwrap();
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let limited = limited.expect("500 at once are more than 5 a second");
    assert_eq!(limited.reason(), "rate_limited");
    assert_eq!(limited.head.header("content-type"), Some("application/problem+json"));
    let record = stand.ground.journal.decision(limited.id()).await;
    assert_eq!((&record["reason"], &record["decision"]), (&json!("rate_limited"), &json!("deny")));

    tests::wait::eventually("the client may ask again", || async {
        (stand.send(&request).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn heads_that_are_too_large() {
    let stand = Stand::sqlite().await;
    let good = || Request::get("/api/patients").token(&token(USER));
    let many = (0..110).fold(good(), |request, n| request.header(format!("X-Many-{n}"), "x"));
    let large = good().header("X-Large", "x".repeat(33 * 1024));
    let name = good().header(format!("X-{}", "x".repeat(33 * 1024)), "x");
    let target =
        Request::get(format!("/api/patients?{}", "x".repeat(9 * 1024))).token(&token(USER));
    for (what, request) in [("many", many), ("large", large), ("name", name), ("target", target)] {
        let answer = stand.send(&request).await;
        assert!(is(&answer, 431, "headers_too_large"), "{what}: {:?}", reason(&answer));
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["reason"], "headers_too_large", "{what}");
    }
    let fits = (0..80).fold(good(), |request, n| request.header(format!("X-Many-{n}"), "x"));
    assert_eq!(stand.send(&fits).await.status, 200);
    assert_eq!(stand.ground.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_head_without_end() {
    let stand = Stand::sqlite().await;
    let mut connection = Connection::open(stand.proxy()).await;
    connection.write(b"GET /api/patients HTTP/1.1\r\nHost: x\r\n").await;
    for _ in 0..4_000 {
        connection.write(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").await;
    }
    let answer = connection.read(false).await;
    assert!(answer.is_none_or(|answer| answer.status == 431));
}

#[tokio::test]
async fn a_head_that_takes_too_long() {
    let stand = Stand::builder().set("limits.header_timeout", "300ms").start().await;
    let mut slow = Connection::open(stand.proxy()).await;
    slow.write(b"GET /api/patients HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    let drip = async {
        loop {
            slow.write(b"x").await;
            if tokio::time::timeout(Duration::from_millis(50), slow.ends()).await.is_ok() {
                return;
            }
        }
    };
    tests::wait::in_time("the gate loses its patience", drip).await;
    assert_eq!(stand.get(USER, "/api/patients").await.status, 200, "others are served");
}

#[tokio::test]
async fn bodies_that_are_too_large_or_not_json() {
    let stand = Stand::sqlite().await;
    let post = || Request::new("POST", "/api/visits").token(&token(USER));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(70 * 1024));
    let answer = stand.send(&post().json(&large)).await;
    assert!(is(&answer, 413, "body_too_large"), "{:?}", reason(&answer));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "text/json", "json", ""] {
        let answer = stand.send(&post().header("Content-Type", kind).body("{}")).await;
        assert!(is(&answer, 415, "body_unsupported"), "{kind}: {:?}", reason(&answer));
    }
    let answer = stand.send(&post().body("{}")).await;
    assert!(is(&answer, 415, "body_unsupported"), "no type: {:?}", reason(&answer));
    let coded = stand.send(&post().header("Content-Encoding", "gzip").json("{}")).await;
    assert!(is(&coded, 415, "body_unsupported"), "{:?}", reason(&coded));
    assert!(stand.ground.upstream.requests().is_empty());

    for kind in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/fhir+json"] {
        let answer = stand.send(&post().header("Content-Type", kind).body("{}")).await;
        assert_eq!(answer.status, 200, "{kind}: {:?}", reason(&answer));
    }
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_off() {
    let stand = Stand::sqlite().await;
    let mut connection = Connection::open(stand.proxy()).await;
    let head = format!(
        "POST /api/visits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        token(USER)
    );
    connection.write(head.as_bytes()).await;
    let chunk = [b"2000\r\n".as_slice(), &vec![b' '; 0x2000], b"\r\n"].concat();
    for _ in 0..12 {
        connection.write(&chunk).await;
    }
    let answer = connection.read(false).await.expect("an answer before the body's end");
    assert!(is(&answer, 413, "body_too_large"), "{:?}", reason(&answer));
    assert!(stand.ground.upstream.requests().is_empty());
}

#[tokio::test]
async fn the_body_is_not_read_before_the_role_is_known() {
    let stand = Stand::sqlite().await;
    let post =
        |user: &str| Request::new("POST", "/api/visits").token(&token(user)).json("not json");
    let answer = stand.send(&post("kauvery-billing")).await;
    assert!(is(&answer, 403, "role_not_allowed"), "{:?}", reason(&answer));
    let answer = stand.send(&Request::new("POST", "/api/visits").json("not json")).await;
    assert!(is(&answer, 401, "token_missing"), "{:?}", reason(&answer));
    let answer = stand.send(&post(USER)).await;
    assert!(is(&answer, 400, "body_invalid"), "{:?}", reason(&answer));
}

#[tokio::test]
async fn methods_that_are_no_requests_for_anything() {
    let stand = Stand::sqlite().await;
    for request in [
        Request::new("TRACE", "/api/patients").token(&token(USER)),
        Request::new("TRACE", "/healthz"),
        Request::new("CONNECT", "127.0.0.1:80"),
    ] {
        let answer = stand.send(&request).await;
        assert!(is(&answer, 405, "method_not_allowed"), "{request:?}: {:?}", reason(&answer));
        let allow = answer.head.header("allow").expect("405 says what is allowed");
        assert!(!allow.contains("TRACE") && !allow.contains("CONNECT"), "{allow}");
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["reason"], "method_not_allowed");
    }
    assert!(stand.ground.upstream.requests().is_empty());
}

#[tokio::test]
async fn what_is_no_http_is_answered_bare_counted_and_not_recorded() {
    let stand = Stand::sqlite().await;
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
        b"hello\r\n\r\n",
        b"GET / HTTP/x.y\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ] {
        let mut connection = Connection::open(stand.proxy()).await;
        let answer = connection.exchange(bytes, false).await;
        assert!(answer.is_none_or(|answer| answer.status == 400 && answer.reason().is_empty()));
    }
    let counted = tests::metrics::Metrics::of(&stand).await;
    assert!(counted.sum("cedargate_malformed_requests_total", &[]) >= 4.0);
    assert!(stand.ground.journal.records().is_empty());
    assert_eq!(stand.get(USER, "/api/patients").await.status, 200);
}
