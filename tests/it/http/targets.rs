//! What is decided is byte for byte what is forwarded.

use tests::{
    client::{Answer, Connection, Request},
    hostile_targets::{Fate, RAW_QUERIES, all},
    stand::Stand,
    tokens::token,
};

const USER: &str = "kauvery-doctor";

#[tokio::test]
async fn hostile_targets_are_refused_or_forwarded_as_they_were_judged() {
    for stand in Stand::both_ways().await {
        assert!(all().count() >= 60);
        let mut faults = Vec::new();
        for (target, fate) in all() {
            if let Some(fault) = check(&stand, target, fate).await {
                faults.push(format!("{:?}: {fault}", String::from_utf8_lossy(target)));
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

#[tokio::test]
async fn a_query_is_forwarded_as_it_came() {
    let stand = Stand::sqlite().await;
    for (target, fate) in RAW_QUERIES {
        assert_eq!(check(&stand, target, *fate).await, None);
    }
}

/// Django reads the query in the charset of `Content-Type`, also where there is no body.
#[tokio::test]
async fn a_query_is_read_in_one_charset_alone() {
    const UTF_7: &str = "text/plain; charset=utf-7";
    for stand in Stand::both_ways().await {
        let query = "organization+AF8-id=org-beta";
        for (method, path, kind, expected) in [
            ("GET", "/api/patients", UTF_7, (400, "request_invalid")),
            ("GET", "/api/patients", "x/y; charset*=''utf-7", (400, "request_invalid")),
            ("GET", "/no/such/path", UTF_7, (400, "request_invalid")),
            ("POST", "/api/codes/extract", UTF_7, (400, "request_invalid")),
            ("POST", "/api/visits", UTF_7, (400, "request_invalid")),
            ("GET", "/api/patients", "text/plain; charset=iso-8859-1", (200, "")),
            ("GET", "/healthz", UTF_7, (200, "")),
        ] {
            let request = Request::new(method, format!("{path}?{query}")).token(&token(USER));
            let answer = stand.send(&request.clone().header("Content-Type", kind)).await;
            assert_eq!((answer.status, answer.reason().as_str()), expected, "{path} {kind}");
            assert_eq!(stand.ground.upstream.take().len(), usize::from(expected.0 == 200));
        }
        let request = Request::new("POST", format!("/api/visits?{query}")).token(&token(USER));
        let answer = stand.send(&request.header("Content-Type", UTF_7).body("{}")).await;
        assert_eq!((answer.status, answer.reason().as_str()), (415, "body_unsupported"));
        let request = Request::new("GET", "/api/patients").token(&token(USER));
        assert_eq!(stand.send(&request.header("Content-Type", UTF_7)).await.status, 200);
    }
}

#[tokio::test]
async fn a_target_is_refused_before_anybody_asks_who_it_is() {
    for stand in Stand::both_ways().await {
        for (target, reason) in [
            ("/api/codes/../patients", "path_invalid"),
            ("/api/patients?organization_id=%zz", "request_invalid"),
        ] {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            let answer =
                Connection::open(stand.proxy()).await.exchange(bytes.as_bytes(), false).await;
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (400, reason), "{target}");
            let record = stand.ground.journal.decision(answer.id()).await;
            assert!(record["user_id"].is_null(), "{record}");
        }
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_judged_is_recorded_escaped_and_cut() {
    let stand = Stand::sqlite().await;
    let target = [b"/api/\x01\xff".as_slice(), &vec![b'x'; 2_000]].concat();
    let answer = ask(&stand, &target).await.unwrap();
    let record = stand.ground.journal.decision(answer.id()).await;
    let endpoint = record["endpoint"].as_str().unwrap();
    assert!(endpoint.len() <= 512, "{} bytes", endpoint.len());
    assert!(endpoint.starts_with("/api/"), "{endpoint}");
    assert!(endpoint.bytes().all(|byte| byte.is_ascii_graphic()), "{endpoint}");
    assert_eq!(record["action"], "unmapped");
}

async fn check(stand: &Stand, target: &[u8], fate: Fate) -> Option<String> {
    let address = stand.proxy().to_string();
    let target = replace(target, b"HOST", address.as_bytes());
    let Some(answer) = ask(stand, &target).await else {
        return Some("no answer".to_owned());
    };
    let seen: Vec<String> =
        stand.ground.upstream.take().iter().map(|seen| seen.target().to_owned()).collect();
    let (status, reason) = (answer.status, answer.reason());
    let answered = format!("answered {status} {reason}, forwarded as {seen:?}");
    let as_expected = match fate {
        Fate::NoHttp => status == 400 && seen.is_empty(),
        Fate::Refused(expected) => status == 400 && reason == expected && seen.is_empty(),
        Fate::Forwarded(expected) => {
            status == 200 && seen == [expected] && endpoint(stand, &answer).await == path(expected)
        }
        Fate::Judged(judged, expected, why) => {
            let refused = (status, reason.as_str()) == (expected, why) && seen.is_empty();
            refused && endpoint(stand, &answer).await == judged
        }
    };
    (!as_expected).then(|| format!("{answered}; expected {fate:?}"))
}

/// The path that was judged, as it is recorded.
async fn endpoint(stand: &Stand, answer: &Answer) -> String {
    let record = stand.ground.journal.decision(answer.id()).await;
    record["endpoint"].as_str().unwrap_or_default().to_owned()
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap()
}

async fn ask(stand: &Stand, target: &[u8]) -> Option<Answer> {
    let (host, token) = (stand.proxy(), token(USER));
    let head = format!(" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    let bytes = [b"GET ", target, head.as_bytes()].concat();
    Connection::open(host).await.exchange(&bytes, false).await
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|found| found == from) {
        Some(at) => [&text[..at], to, &text[at + from.len()..]].concat(),
        None => text.to_vec(),
    }
}
