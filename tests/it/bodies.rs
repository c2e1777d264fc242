//! Bodies are judged where a route says so, and forwarded byte for byte everywhere.

use proptest::prelude::*;
use tests::{
    client::{Connection, Request},
    stand::Stand,
    tokens::token,
    upstream::Behaviour,
};

const USER: &str = "kauvery-doctor";

/// Bodies that are one JSON object, however odd it looks.
const GOOD: &[&str] = &[
    "{}",
    "",
    "  { }\r\n",
    "{\n\t\"a\" : [ 1 , 2.50 , -0.0e+1 , true , null ] }",
    r#"{"a":"\u00e9\ud83d\uded1\/","b":"é"}"#,
    r#"{"organization_id":"org-kauvery","organizationId":"org-kauvery"}"#,
    r#"{"organization\u005fid":"org-kauvery"}"#,
    r#"{"nested":{"organization_id":"org-beta"}}"#,
    r#"{"big":123456789012345678901234567890,"tiny":1e-400}"#,
];

/// Bodies that are not, with the reason for which they are refused.
const BAD: &[(&[u8], &str)] = &[
    (b"null", "body_invalid"),
    (b"1", "body_invalid"),
    (b"\"a\"", "body_invalid"),
    (b"[{}]", "body_invalid"),
    (b"{", "body_invalid"),
    (b"{}{}", "body_invalid"),
    (b"{} x", "body_invalid"),
    (b"{'a':1}", "body_invalid"),
    (b"{a:1}", "body_invalid"),
    (b"{\"a\":1,}", "body_invalid"),
    (b"{\"a\":01}", "body_invalid"),
    (b"{\"a\":NaN}", "body_invalid"),
    (b"{\"a\":1 /* b */}", "body_invalid"),
    (b"\xef\xbb\xbf{}", "body_invalid"),
    (b"{\"a\":\"\xff\"}", "body_invalid"),
    (b"{\"a\":\"\xc0\x80\"}", "body_invalid"),
    (b"{\"a\":\"\\ud800\"}", "body_invalid"),
    (b"{\"a\":\"\x01\"}", "body_invalid"),
    (b"\xff\xfe{\x00}\x00", "body_invalid"),
    (b"{\"a\":1,\"a\":1}", "body_invalid"),
    (b"{\"a\":1,\"\\u0061\":2}", "body_invalid"),
    (b"{\"a\":{\"b\":[{\"c\":1,\"c\":2}]}}", "body_invalid"),
    (b"{\"organization_id\":\"org-kauvery\",\"organization_id\":\"org-beta\"}", "body_invalid"),
    (b"{\"organization_id\":null}", "body_invalid"),
    (b"{\"organization_id\":[\"org-kauvery\"]}", "body_invalid"),
    (b"{\"organizationId\":{}}", "body_invalid"),
    (b"{\"organization_id\":\"org-beta\",\"organizationId\":1}", "body_invalid"),
    (b"{\"organization\\u005fid\":\"org-beta\"}", "cross_tenant"),
    (b"{\"organizationId\":\"\"}", "cross_tenant"),
    (b"{\"organization_id\":\"kauvery\"}", "cross_tenant"),
    (b"{\"organization_id\":\"org-kauvery \"}", "cross_tenant"),
];

#[tokio::test]
async fn good_bodies_arrive_byte_for_byte() {
    for stand in Stand::both_ways().await {
        for body in GOOD {
            let request = Request::new("POST", "/api/visits").token(&token(USER)).json(body);
            let answer = stand.send(&request).await;
            assert_eq!((answer.status, answer.reason().as_str()), (200, ""), "{body:?}");
            let seen = stand.ground.upstream.take().remove(0);
            assert_eq!(String::from_utf8_lossy(&seen.body), *body);
        }
    }
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    for stand in Stand::both_ways().await {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let deep = [(deep.as_bytes(), "body_invalid")];
        for (body, reason) in BAD.iter().copied().chain(deep) {
            let request = Request::new("POST", "/api/visits").token(&token(USER)).json(body);
            let answer = stand.send(&request).await;
            let shown: String = String::from_utf8_lossy(body).chars().take(80).collect();
            let status = if reason == "cross_tenant" { 403 } else { 400 };
            assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{shown}");
        }
        assert!(stand.ground.upstream.requests().is_empty());
    }
}

#[tokio::test]
async fn a_chunked_body_arrives_whole_and_the_connection_goes_on() {
    let stand = Stand::sqlite().await;
    let mut connection = Connection::open(stand.proxy()).await;
    let head = format!(
        "POST /api/visits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        token(USER)
    );
    for _ in 0..3 {
        connection.write(head.as_bytes()).await;
        for part in ["1\r\n{\r\n", "7\r\n\"a\":\"b\"\r\n", "1\r\n}\r\n", "0\r\n\r\n"] {
            connection.write(part.as_bytes()).await;
        }
        assert_eq!(connection.read(false).await.unwrap().status, 200);
    }
    let seen = stand.ground.upstream.take();
    assert!(seen.len() == 3 && seen.iter().all(|seen| seen.body == br#"{"a":"b"}"#), "{seen:?}");
}

#[tokio::test]
async fn two_requests_in_one_go_get_two_answers_in_order() {
    for stand in Stand::both_ways().await {
        let post = Request::new("POST", "/api/visits").token(&token(USER)).json("{\"n\":1}");
        let get = Request::get("/api/patients").token(&token("kauvery-coder"));
        let bytes = [post.to_bytes(stand.proxy()), get.to_bytes(stand.proxy())].concat();
        let mut connection = Connection::open(stand.proxy()).await;
        assert_eq!(connection.exchange(&bytes, false).await.unwrap().status, 200);
        if let Some(second) = connection.read(false).await {
            assert_eq!((second.status, second.reason().as_str()), (403, "outside_boundary"));
        }
        assert_eq!(stand.ground.upstream.requests().len(), 1);
    }
}

#[tokio::test]
async fn opaque_bodies_are_neither_read_nor_judged() {
    let stand = Stand::sqlite().await;
    let large = vec![0xFF; 1024 * 1024];
    let request = Request::new("POST", "/api/auth/login").header("Content-Type", "text/plain");
    assert_eq!(stand.send(&request.body(&large)).await.status, 200);
    assert!(stand.ground.upstream.take().remove(0).body == large, "byte for byte");
    let request = Request::new("POST", "/api/codes/extract").token(&token(USER));
    let odd = b"{\"a\":1,\"a\":2,\"organization_id\":\"org-beta\"}";
    let answer = stand.send(&request.header("Content-Encoding", "gzip").json(odd)).await;
    assert_eq!((answer.status, answer.reason().as_str()), (200, ""));
    assert_eq!(stand.ground.upstream.take().remove(0).body, odd);
}

#[tokio::test]
async fn large_answers_stream_through() {
    for stand in Stand::both_ways().await {
        stand.ground.upstream.on("/api/patients", Behaviour::Stream(8 * 1024 * 1024));
        let answer = stand.get(USER, "/api/patients").await;
        assert_eq!((answer.body.len(), answer.complete), (8 * 1024 * 1024, true));
    }
}

#[test]
fn any_object_arrives_byte_for_byte() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stand = runtime.block_on(Stand::sqlite());
    let member = ("[a-z]{1,8}", any::<String>());
    let members = prop::collection::btree_map(member.0, member.1, 0..8);
    crate::properties::check(&members, |members| {
        let body = serde_json::to_string(&members).unwrap();
        let request = Request::new("POST", "/api/visits").token(&token(USER)).json(&body);
        let answer = runtime.block_on(stand.send(&request));
        prop_assert_eq!(answer.status, 200, "{}", answer.reason());
        let seen = stand.ground.upstream.take().remove(0);
        prop_assert_eq!(String::from_utf8_lossy(&seen.body).into_owned(), body);
        Ok(())
    });
    runtime.block_on(stand.stop());
}
