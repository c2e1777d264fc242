//! What browsers need: cookies, CORS, and somewhere to go when they are denied.

use serde_json::json;
use tests::{
    client::{Answer, Request},
    stand::{Builder, Stand},
    tokens::token,
};

const USER: &str = "kauvery-doctor";
const TOOLS: &str = "https://tools.clinics.example";

fn with_cookie() -> Builder {
    Stand::builder().set("jwt.cookie", "session").set("cors.origins", vec![TOOLS])
}

fn cookie(user: &str) -> String {
    format!("theme=dark; session={}; a=b", token(user))
}

fn is(answer: &Answer, status: u16, why: &str) -> bool {
    (answer.status, answer.reason().as_str()) == (status, why)
}

#[tokio::test]
async fn a_cookie_may_hold_the_token_where_one_is_configured() {
    let stand = with_cookie().start().await;
    let with = |cookie: &str| Request::get("/api/patients").header("Cookie", cookie);
    assert_eq!(stand.send(&with(&cookie(USER))).await.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    let sent = String::from_utf8_lossy(&seen.raw_head).into_owned();
    assert!(!sent.contains(&token(USER)) && !sent.contains("session="), "{sent}");
    assert!(sent.contains("theme=dark"), "other cookies are the upstream's: {sent}");

    let twice = format!("session={0}; session={0}", token(USER));
    let answer = stand.send(&with(&twice)).await;
    assert!(is(&answer, 400, "request_invalid"), "{} {}", answer.status, answer.reason());
    let answer = stand.send(&with("session=abc")).await;
    assert!(is(&answer, 401, "token_malformed"), "{} {}", answer.status, answer.reason());
    let answer = stand.send(&with("sessions=abc; xsession=abc")).await;
    assert!(is(&answer, 401, "token_missing"), "{} {}", answer.status, answer.reason());
}

#[tokio::test]
async fn authorization_wins_over_the_cookie() {
    let stand = with_cookie().start().await;
    let both = Request::get("/api/patients").header("Cookie", cookie("kauvery-coder"));
    assert_eq!(stand.send(&both.clone().token(&token(USER))).await.status, 200);
    let answer = stand.send(&both.header("Authorization", "Bearer abc")).await;
    assert!(is(&answer, 401, "token_malformed"), "{} {}", answer.status, answer.reason());
}

#[tokio::test]
async fn a_cookie_is_nothing_where_none_is_configured() {
    let stand = Stand::sqlite().await;
    let answer = stand.send(&Request::get("/api/patients").header("Cookie", cookie(USER))).await;
    assert!(is(&answer, 401, "token_missing"));
}

#[tokio::test]
async fn another_site_cannot_use_the_cookie_to_change_anything() {
    let stand = with_cookie().start().await;
    let post = || Request::new("POST", "/api/visits").header("Cookie", cookie(USER)).json("{}");
    let own = format!("http://{}", stand.proxy());
    for allowed in [
        post().header("Sec-Fetch-Site", "same-origin"),
        post().header("Origin", TOOLS),
        post().header("Origin", own),
        post()
            .header("Origin", "https://evil.example")
            .header("Authorization", format!("Bearer {}", token(USER))),
    ] {
        let answer = stand.send(&allowed).await;
        assert_eq!(answer.status, 200, "{} for {allowed:?}", answer.reason());
    }
    for denied in [
        post(),
        post().header("Sec-Fetch-Site", "cross-site"),
        post().header("Sec-Fetch-Site", "same-site"),
        post().header("Sec-Fetch-Site", "none"),
        post().header("Origin", "https://evil.example"),
        post().header("Origin", "null"),
        post().header("Origin", format!("{TOOLS}.evil.example")),
        post().header("Sec-Fetch-Site", "cross-site").header("Origin", "https://evil.example"),
    ] {
        let answer = stand.send(&denied).await;
        assert!(
            is(&answer, 403, "origin_not_allowed"),
            "{} {} for {denied:?}",
            answer.status,
            answer.reason()
        );
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["reason"], "origin_not_allowed");
    }
    let read = Request::get("/api/patients").header("Cookie", cookie(USER));
    let read = stand.send(&read.header("Sec-Fetch-Site", "cross-site")).await;
    assert_eq!(read.status, 200, "a safe method needs no origin");
}

#[tokio::test]
async fn the_gate_answers_preflights_and_sets_the_headers() {
    let stand = with_cookie().start().await;
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/api/patients")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization, x-tenant")
    };
    let answer = stand.send(&preflight(TOOLS)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.head.header("access-control-allow-origin"), Some(TOOLS));
    let lists = |name: &str, wanted: &str| {
        let value = answer.head.header(name).unwrap_or_default().to_ascii_lowercase();
        assert!(value.split(',').any(|item| item.trim() == wanted), "{name}: {value}");
    };
    lists("access-control-allow-methods", "get");
    lists("access-control-allow-headers", "authorization");
    lists("access-control-allow-headers", "x-tenant");

    let stranger = stand.send(&preflight("https://evil.example")).await;
    assert_eq!(stranger.head.header("access-control-allow-origin"), None);
    assert!(stand.ground.upstream.requests().is_empty(), "preflights are never forwarded");

    for (user, status) in [(USER, 200), ("kauvery-coder", 403)] {
        let request = Request::get("/api/patients").token(&token(user)).header("Origin", TOOLS);
        let answer = stand.send(&request).await;
        let allowed: Vec<_> = answer.head.all("access-control-allow-origin").collect();
        assert_eq!((answer.status, allowed.as_slice()), (status, [TOOLS].as_slice()));
        let varies =
            answer.head.all("vary").any(|value| value.to_ascii_lowercase().contains("origin"));
        assert!(varies, "{:?}", answer.head);
    }
}

/// A page that is listed may read why its request is refused, whatever is wrong with it, as long as the
/// field `Origin` could be read.
#[tokio::test]
async fn refusals_of_the_head_can_be_read_by_a_listed_page() {
    let stand = with_cookie().start().await;
    let long = "x".repeat(40 * 1024);
    let cases = [
        (400, "GET //x HTTP/1.1\r\nHost: x\r\nORIGIN\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nORIGIN\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nORIGIN\r\nX-Tenant: a\r\nX-Tenant: b\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nORIGIN\r\nb ad: 1\r\n".to_owned()),
        (405, "TRACE / HTTP/1.1\r\nHost: x\r\nORIGIN\r\n".to_owned()),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\nORIGIN\r\nX-Long: {long}\r\n")),
        (431, format!("GET /{} HTTP/1.1\r\nHost: x\r\nORIGIN\r\n", "x".repeat(9000))),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\nORIGIN\r\n{}", "A: b\r\n".repeat(101))),
    ];
    for (status, head) in cases {
        for (origin, allowed) in [(TOOLS, Some(TOOLS)), ("https://evil.example", None)] {
            let head = head.replace("ORIGIN", &format!("Origin: {origin}"));
            let bytes = format!("{head}\r\n");
            let answer = tests::client::send_raw(stand.proxy(), bytes.as_bytes()).await.unwrap();
            let line = head.lines().next().unwrap().get(..20);
            assert_eq!(answer.status, status, "{line:?}");
            let said = answer.head.header("access-control-allow-origin");
            assert_eq!(said, allowed, "{status} {line:?}");
        }
    }
}

/// What a single-page application sends and reads, by default and as configured.
#[tokio::test]
async fn pages_may_send_and_read_what_is_configured() {
    let lists = |answer: &Answer, name: &str| -> Vec<String> {
        let value = answer.head.header(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
    };
    for (configured, sent, read) in [
        (
            None,
            vec!["if-match", "traceparent", "idempotency-key", "x-csrf-token"],
            vec!["etag", "link"],
        ),
        (Some(("X-Own", "X-Total-Count")), vec!["x-own"], vec!["x-total-count"]),
    ] {
        let mut builder = with_cookie();
        if let Some((allow, expose)) = configured {
            builder = builder
                .set("cors.allow_headers", vec![allow])
                .set("cors.expose_headers", vec![expose]);
        }
        let stand = builder.start().await;
        let preflight = Request::new("OPTIONS", "/api/patients")
            .header("Origin", TOOLS)
            .header("Access-Control-Request-Method", "GET");
        let answer = stand.send(&preflight).await;
        let allowed = lists(&answer, "access-control-allow-headers");
        for name in sent.iter().chain(&["authorization", "content-type", "x-tenant"]) {
            assert!(allowed.contains(&(*name).to_owned()), "{name}: {allowed:?}");
        }
        assert_eq!(allowed.contains(&"if-match".to_owned()), configured.is_none(), "{allowed:?}");
        for target in ["/api/patients", "/api/nothing"] {
            let request = Request::get(target).token(&token(USER)).header("Origin", TOOLS);
            let exposed = lists(&stand.send(&request).await, "access-control-expose-headers");
            for name in read.iter().chain(&["x-request-id"]) {
                assert!(exposed.contains(&(*name).to_owned()), "{target} {name}: {exposed:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_upstreams_cors_headers_do_not_widen_the_gates() {
    let stand = with_cookie().start().await;
    let headers =
        [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let behaviour = tests::upstream::Behaviour::Answer(200, headers, Vec::new());
    stand.ground.upstream.on("/api/patients", behaviour);
    let request =
        Request::get("/api/patients").token(&token(USER)).header("Origin", "https://evil.example");
    let answer = stand.send(&request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.header("access-control-allow-origin"), None, "{:?}", answer.head);
}

#[tokio::test]
async fn options_is_a_method_like_any_other_without_cors() {
    let stand = Stand::sqlite().await;
    let preflight = Request::new("OPTIONS", "/api/patients").header("Origin", TOOLS);
    let answer = stand.send(&preflight.header("Access-Control-Request-Method", "GET")).await;
    assert!(is(&answer, 401, "token_missing"));
    assert_eq!(answer.head.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_denied_navigation_goes_where_it_is_told() {
    let (login, home) = ("https://app.example/login", "https://tools.example/");
    let stand = Stand::builder()
        .set("redirect.unauthenticated", login)
        .set("redirect.outside_boundary", home)
        .start()
        .await;
    let page = |request: Request| request.header("Accept", "text/html,application/xhtml+xml;q=0.9");
    let target = "/api/patients?next=https://evil.example";
    for (request, to, reason) in [
        (Request::get(target), login, "token_missing"),
        (Request::get(target).token("abc"), login, "token_malformed"),
        (Request::get(target).token(&token("kauvery-left")), login, "user_inactive"),
        (Request::get(target).token(&token("kauvery-coder")), home, "outside_boundary"),
    ] {
        let answer = stand.send(&page(request)).await;
        assert_eq!((answer.status, answer.head.header("location")), (302, Some(to)), "{reason}");
        assert!(!format!("{answer:?}").contains("evil"), "nothing of the request: {answer:?}");
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!((&record["status"], &record["reason"]), (&json!(302), &json!(reason)));
    }
    let answer =
        stand.send(&page(Request::get("/api/visits").token(&token("kauvery-billing")))).await;
    assert!(is(&answer, 403, "role_not_allowed"), "other denials are no detours");
    let answer = stand.send(&page(Request::new("POST", "/api/visits"))).await;
    assert!(is(&answer, 401, "token_missing"), "a POST is no navigation");
    let answer = stand.send(&Request::get(target).header("Accept", "application/json")).await;
    assert!(is(&answer, 401, "token_missing"), "a script is no navigation");
}

#[tokio::test]
async fn without_a_place_to_go_a_navigation_is_denied_like_anything() {
    let stand = Stand::sqlite().await;
    let answer = stand.send(&Request::get("/api/patients").header("Accept", "text/html")).await;
    assert!(is(&answer, 401, "token_missing"));
}

#[tokio::test]
async fn what_the_upstream_exposes_stays_exposed() {
    let stand = with_cookie().start().await;
    let headers =
        vec![("Access-Control-Expose-Headers".to_owned(), "X-Total-Count, ETag".to_owned())];
    let behaviour = tests::upstream::Behaviour::Answer(200, headers, Vec::new());
    stand.ground.upstream.on("/api/patients", behaviour);
    let request = Request::get("/api/patients").token(&token(USER)).header("Origin", TOOLS);
    let answer = stand.send(&request).await;
    let exposed: Vec<_> = answer.head.all("access-control-expose-headers").collect();
    assert_eq!(exposed.len(), 1, "{exposed:?}");
    assert!(
        exposed[0].contains("X-Total-Count") && exposed[0].contains("X-Request-Id"),
        "{exposed:?}"
    );
}
