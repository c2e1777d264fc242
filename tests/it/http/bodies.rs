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
    r#"{"note":"cut \ud83d","notes":["\udead",{"a":"\ud83d\ud83d"}]}"#,
    r#"{"a":1e400,"b":[-1E+99999]}"#,
    r#"{"organization":"org-beta","organization[id]":"org-beta","id":"org-beta"}"#,
    r#"{"nested":{"Organization_Id":"org-beta","organization_id[]":1}}"#,
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
    (b"{\"\\ud800\":1}", "body_invalid"),
    (b"{\"a\":{\"\\ud800\":1}}", "body_invalid"),
    (b"{\"organization_id\":\"\\ud800\"}", "body_invalid"),
    (b"{\"organization_id\":1e400}", "body_invalid"),
    (b"{\"Organization_Id\":\"org-kauvery\"}", "body_invalid"),
    (b"{\"organizationid\":\"org-kauvery\"}", "body_invalid"),
    (b"{\"organization_id[]\":\"org-kauvery\"}", "body_invalid"),
    (b"{\"organization_id\":\"org-kauvery\",\"organization_id[0]\":\"org-beta\"}", "body_invalid"),
    (b"{\"organization.id\":\"org-beta\"}", "body_invalid"),
    (b"{\"organization-id\":null}", "body_invalid"),
    (b"{\" organization_id\":\"org-beta\"}", "body_invalid"),
    (b"{\"organization_id\\u0000\":\"org-beta\"}", "body_invalid"),
    (b"{\"\\u004frganization_id\":\"org-beta\"}", "body_invalid"),
    (b"{\"organizat\xc4\xb1on_id\":\"org-beta\"}", "body_invalid"),
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
    crate::http::properties::check(&members, |members| {
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

#[tokio::test]
async fn what_nobody_looks_at_may_be_deep() {
    let stand = Stand::sqlite().await;
    for depth in [127, 128, 900] {
        let body = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let request = Request::new("POST", "/api/visits").token(&token(USER)).json(&body);
        let answer = stand.send(&request).await;
        assert_eq!((answer.status, answer.reason().as_str()), (200, ""), "{depth}");
        assert_eq!(stand.ground.upstream.take().remove(0).body, body.as_bytes());
    }
}

/// Values of `Content-Type`, and whether a body under it is JSON in UTF-8 for every reader.
const TYPES: &[(&str, bool)] = &[
    ("application/json", true),
    ("Application/Json ;\tcharset=\"UTF-8\";", true),
    ("application/merge-patch+json; v=1; charset=utf-8", true),
    ("application/ld+json; profile=\"https://example.com/a;b=c\"", true),
    ("application/json; charset=utf-7", false),
    ("application/json; charset=unicode_escape", false),
    ("application/json; charset=utf-16", false),
    ("application/json; charset=utf8", false),
    ("application/json; charset=", false),
    ("application/json; charset", false),
    ("application/json; charset=\"utf-7\"", false),
    ("application/json; charset='utf-8'", false),
    ("application/json; charset=utf-8; charset=utf-8", false),
    ("application/json; charset=utf-8; CharSet=utf-7", false),
    ("application/json; charset*=utf-8''utf-7", false),
    ("application/json; charset*0=utf; charset*1=-7", false),
    ("application/json; charset = utf-7", false),
    ("application/json; a=\"; charset=utf-7\"", false),
    ("application/json; a=\"\\\"; charset=utf-7", false),
    ("application/json, charset=utf-7", false),
    ("application/json; a=b, charset=utf-7", false),
    ("application/json charset=utf-7", false),
    ("application/json; charset=utf-8 charset=utf-7", false),
    ("application/json; a", false),
    ("text/json", false),
    ("text/plain", false),
    ("", false),
];

#[tokio::test]
async fn a_body_in_another_charset_is_not_judged() {
    for stand in Stand::both_ways().await {
        for (kind, fine) in TYPES {
            let request = Request::new("POST", "/api/visits").token(&token(USER));
            let request = request.header("Content-Type", kind).body("{\"a\":1}");
            let answer = stand.send(&request).await;
            let expected = if *fine { (200, "") } else { (415, "body_unsupported") };
            assert_eq!((answer.status, answer.reason().as_str()), expected, "{kind}");
            let seen = stand.ground.upstream.take();
            assert_eq!(seen.len(), usize::from(*fine), "{kind}");
            let sent =
                seen.iter().all(|seen| seen.head.header("content-type") == Some(kind.trim()));
            assert!(sent, "{kind}: {seen:?}");
        }
    }
}

/// Whoever is allowed to send this request at all may not send a body with it.
#[tokio::test]
async fn a_route_that_takes_no_body_is_sent_none() {
    for stand in Stand::both_ways().await {
        let (get, delete) = ("/api/patients", "/api/appointments/appointment-kauvery-1");
        let evil = "{\"organization_id\":\"org-beta\"}";
        for (method, target, user, expected) in [
            ("GET", get, USER, (400, "body_unexpected")),
            ("HEAD", get, USER, (400, "")),
            ("DELETE", delete, USER, (400, "body_unexpected")),
            ("DELETE", delete, "east-doctor", (400, "body_unexpected")),
            ("GET", get, "kauvery-coder", (403, "outside_boundary")),
            ("DELETE", "/api/patients/patient-kauvery-1", USER, (403, "role_not_allowed")),
            ("GET", "/no/such/path", USER, (403, "route_unmapped")),
        ] {
            let mut connection = Connection::open(stand.proxy()).await;
            let request = Request::new(method, target).token(&token(user)).json(evil);
            let answer = connection.send(&request).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), expected, "{method} {target}");
            let chunked = format!(
                "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
                 Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
                token(user)
            );
            let mut connection = Connection::open(stand.proxy()).await;
            let answer = connection.exchange(chunked.as_bytes(), method == "HEAD").await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), expected, "{method} {target}");
        }
        assert!(stand.ground.upstream.take().is_empty());
        let request = Request::new("DELETE", delete).token(&token(USER)).json("");
        let answer = stand.send(&request).await;
        assert_eq!((answer.status, answer.reason().as_str()), (200, ""), "no bytes are no body");
        let request = Request::get("/healthz").json(evil);
        assert_eq!(stand.send(&request).await.status, 200, "guests are not looked at");
        assert_eq!(stand.ground.upstream.take().pop().unwrap().body, evil.as_bytes());
    }
}

#[tokio::test]
async fn a_body_with_very_many_members_is_too_large() {
    let stand = Stand::builder().set("limits.json_members", 100).start().await;
    let members = |count: usize, name: &dyn Fn(usize) -> String| {
        let members: Vec<String> = (0..count).map(|at| format!("\"{}\":1", name(at))).collect();
        format!("{{{}}}", members.join(","))
    };
    let short = |at: usize| format!("m{at}");
    let long = |length: usize| move |at: usize| format!("{}{at}", "x".repeat(length - 1));
    let nested = format!("{{\"a\":{}}}", members(1_000, &short));
    for (body, fine) in [
        (members(100, &short), true),
        (members(101, &short), false),
        (members(6_000, &short), false),
        (members(2, &long(256)), true),
        (members(2, &long(257)), false),
        (nested, true),
    ] {
        let request = Request::new("POST", "/api/visits").token(&token(USER)).json(&body);
        let answer = stand.send(&request).await;
        let expected = if fine { (200, "") } else { (413, "body_too_large") };
        assert_eq!((answer.status, answer.reason().as_str()), expected, "{body:.80}");
        assert_eq!(stand.ground.upstream.take().len(), usize::from(fine));
    }
}
