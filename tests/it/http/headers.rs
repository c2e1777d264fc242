//! No header from outside passes for one of the gate's.

use tests::{
    client::{Answer, Connection, Request},
    hostile_headers::{Fate, HOSTS, RESERVED, SETS, disguises},
    metrics::Metrics,
    people::{by_id, user},
    sql::execute,
    stand::Stand,
    tokens::{token, token_id},
    upstream::Seen,
    wait::eventually,
};

const USER: &str = "kauvery-doctor";

#[tokio::test]
async fn reserved_names_never_reach_the_upstream_as_sent() {
    for stand in Stand::both_ways().await {
        assert!(RESERVED.len() >= 40);
        let mut faults = Vec::new();
        for name in RESERVED {
            let line = format!("{name}: evil\r\n");
            let host = stand.proxy().to_string();
            faults.extend(check(&stand, host.as_bytes(), line.as_bytes(), Fate::Cleaned).await);
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

/// Many fields in each request: what matters is that none of them gets through.
#[tokio::test]
async fn no_character_disguises_a_reserved_name() {
    for stand in Stand::both_ways().await {
        let (host, names) = (stand.proxy().to_string(), disguises());
        assert!(names.len() > 4_000);
        let mut faults = Vec::new();
        for some in names.chunks(80) {
            let lines = some.join(": evil\r\n") + ": evil\r\n";
            faults.extend(check(&stand, host.as_bytes(), lines.as_bytes(), Fate::Cleaned).await);
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        let counted = Metrics::of(&stand).await.sum("cedargate_fields_removed_total", &[]);
        assert_eq!(counted.to_string(), names.len().to_string());
    }
}

#[tokio::test]
async fn a_guest_forges_no_name_either() {
    for stand in Stand::both_ways().await {
        let names = RESERVED.iter().map(|name| (*name).to_owned()).chain(disguises());
        for some in names.collect::<Vec<_>>().chunks(80) {
            let mut request = Request::get("/healthz");
            for name in some {
                request = request.header(name, "evil");
            }
            assert_eq!(stand.send(&request).await.status, 200);
            let seen = stand.ground.upstream.take().remove(0);
            let sent = String::from_utf8_lossy(&seen.raw_head);
            assert!(!sent.contains("evil") && seen.identity().is_empty(), "{sent}");
        }
    }
}

#[tokio::test]
async fn operators_add_names_and_exceptions() {
    let stand = Stand::builder()
        .set("headers.allow", vec!["sentry_trace"])
        .set("headers.strip", vec!["X-Partner"])
        .set("tenancy.names", vec!["mandant"])
        .start()
        .await;
    let request = Request::get("/api/patients").token(&token(USER));
    let mut request = request.header("Sentry_Trace", "kept");
    for name in ["Sentry.Trace", "x-partner", "Mandant", "X-Mandant", "Organization-Id"] {
        request = request.header(name, "evil");
    }
    assert_eq!(stand.send(&request).await.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    assert_eq!(seen.head.header("sentry_trace"), Some("kept"));
    assert!(!String::from_utf8_lossy(&seen.raw_head).contains("evil"), "{:?}", seen.head);
}

#[tokio::test]
async fn hostile_sets_of_headers() {
    for stand in Stand::both_ways().await {
        let host = stand.proxy().to_string();
        let mut faults = Vec::new();
        for (lines, fate) in SETS {
            faults.extend(check(&stand, host.as_bytes(), lines, *fate).await);
        }
        for (host, fate) in HOSTS {
            faults.extend(check(&stand, host, b"", *fate).await);
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

async fn check(stand: &Stand, host: &[u8], lines: &[u8], fate: Fate) -> Option<String> {
    let authorization = format!("\r\nAuthorization: Bearer {}\r\n", token(USER));
    let start = b"GET /api/patients HTTP/1.1\r\nHost: ";
    let head = [start, host, authorization.as_bytes(), lines, b"\r\n"].concat();
    let answer = Connection::open(stand.proxy()).await.exchange(&head, false).await;
    let seen = stand.ground.upstream.take();
    let fault = match answer {
        None => Some("no answer".to_owned()),
        Some(answer) => judge(&answer, &seen, fate),
    };
    let sent = [host, b" | ", lines].concat();
    fault.map(|fault| format!("{:?}: {fault}; {fate:?}", String::from_utf8_lossy(&sent)))
}

fn judge(answer: &Answer, seen: &[Seen], fate: Fate) -> Option<String> {
    let (status, reason) = (answer.status, answer.reason());
    let as_expected = match fate {
        Fate::NoHttp => {
            status == 400 && ["", "request_invalid"].contains(&reason.as_str()) && seen.is_empty()
        }
        Fate::Refused(expected, why) => {
            (status, reason.as_str()) == (expected, why) && seen.is_empty()
        }
        Fate::Cleaned => status == 200 && seen.len() == 1 && is_clean(&seen[0], answer),
        Fate::Kept(line) => {
            let kept = |seen: &Seen| lines(seen).iter().any(|own| own == line);
            status == 200 && seen.len() == 1 && is_clean(&seen[0], answer) && kept(&seen[0])
        }
    };
    let heads: Vec<_> = seen.iter().map(|seen| String::from_utf8_lossy(&seen.raw_head)).collect();
    (!as_expected).then(|| format!("answered {status} {reason}, forwarded {heads:?}"))
}

/// Whether there is no trace of `evil`, and everything that the gate adds, once.
fn is_clean(seen: &Seen, answer: &Answer) -> bool {
    let sent = String::from_utf8_lossy(&seen.raw_head).to_ascii_lowercase();
    let identity = user(USER).identity(by_id("org-kauvery"), &token_id(USER));
    let upgrade = ["te", "upgrade", "keep-alive", "proxy-connection", "authorization", "x-tenant"];
    !sent.contains("evil")
        && seen.identity() == identity
        && seen.head.all("x-request-id").eq([answer.id()])
        && seen.head.all("host").count() == 1
        && upgrade.iter().all(|name| seen.head.header(name).is_none())
}

fn lines(seen: &Seen) -> Vec<String> {
    let lines = seen.head.headers.iter();
    lines.map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase())).collect()
}

#[tokio::test]
async fn trailers_do_not_smuggle_either() {
    for stand in Stand::both_ways().await {
        // One route whose body is judged, one whose body is opaque.
        for path in ["/api/visits", "/api/codes/extract"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
                 Trailer: X-Auth-User-Id\r\n\r\n2\r\n{{}}\r\n0\r\nX-Auth-User-Id: evil\r\n\
                 X~Auth~Roles: evil\r\nX_Auth_Roles: evil\r\nX-Organization-Id: evil\r\n\r\n",
                token(USER)
            );
            let mut connection = Connection::open(stand.proxy()).await;
            let answer = connection.exchange(head.as_bytes(), false).await;
            assert_eq!(answer.unwrap().status, 200);
            let seen = stand.ground.upstream.take().remove(0);
            let sent = [seen.raw_head.clone(), seen.raw_body.clone()].concat();
            assert!(!String::from_utf8_lossy(&sent).contains("evil"));
            assert_eq!(seen.body, b"{}");
        }
    }
}

#[tokio::test]
async fn whoever_is_not_a_trusted_proxy_is_the_client_itself() {
    let stand = Stand::sqlite().await;
    let request = Request::get("/api/patients").token(&token(USER)).host("kauvery.clinics.example");
    let request =
        request.header("X-Forwarded-For", "203.0.113.9").header("X-Real-IP", "203.0.113.9");
    assert_eq!(stand.send(&request).await.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    assert!(seen.head.all("x-forwarded-for").eq(["127.0.0.1"]), "{:?}", seen.head);
    assert!(!String::from_utf8_lossy(&seen.raw_head).contains("203.0.113.9"));
}

#[tokio::test]
async fn a_trusted_proxy_is_appended_to() {
    let stand = Stand::builder().set("trusted_proxies", vec!["127.0.0.0/8"]).start().await;
    let request = Request::get("/api/patients").token(&token(USER));
    let request = request.header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(stand.send(&request).await.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    let hops: Vec<_> = seen.head.all("x-forwarded-for").flat_map(|line| line.split(',')).collect();
    let hops: Vec<_> = hops.iter().map(|hop| hop.trim()).collect();
    assert_eq!(hops, ["203.0.113.9", "127.0.0.1"]);
}

#[tokio::test]
async fn the_request_id_is_the_gates_and_the_clients_is_kept_in_the_record() {
    let stand = Stand::sqlite().await;
    let long = "x".repeat(129);
    for (sent, kept) in [("mine-1", Some("mine-1")), (long.as_str(), None), ("", None)] {
        let request =
            Request::get("/api/patients").token(&token(USER)).header("X-Request-Id", sent);
        let answer = stand.send(&request).await;
        assert!(is_uuid_v7(answer.id()), "{}", answer.id());
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["details"]["client_request_id"].as_str(), kept, "{record}");
    }
}

fn is_uuid_v7(id: &str) -> bool {
    let parts: Vec<&str> = id.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12])
        && parts[2].starts_with('7')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
        && parts.concat().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn break_glass_reaches_the_upstream_encoded_and_only_where_it_counted() {
    let stand = Stand::sqlite().await;
    let justification = "emergency: Kauvery \u{e4}\u{1f6d1} & more";
    let glass = |user: &str, target: &str| {
        Request::get(target).token(&token(user)).header("X-Break-Glass", justification)
    };
    let needed = stand.send(&glass("kauvery-billing", "/api/visits/visit-kauvery-1")).await;
    let idle = stand.send(&glass(USER, "/api/visits/visit-kauvery-1")).await;
    assert_eq!((needed.status, idle.status), (200, 200));

    let seen = stand.ground.upstream.by_id(needed.id()).remove(0);
    let encoded = "emergency%3A%20Kauvery%20%C3%A4%F0%9F%9B%91%20%26%20more";
    assert_eq!(seen.head.header("x-auth-break-glass"), Some(encoded));
    let seen = stand.ground.upstream.by_id(idle.id()).remove(0);
    assert_eq!(seen.head.header("x-auth-break-glass"), None);
    for answer in [needed, idle] {
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["break_glass"], justification, "recorded whenever it was sent");
    }
}

#[tokio::test]
async fn what_the_upstream_says_for_the_record_stays_in_the_record() {
    let stand = Stand::sqlite().await;
    let headers =
        [("X-Audit-User-Id", "kauvery-nurse"), ("x-audit-else", "secret"), ("X-Own", "a")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let behaviour = tests::upstream::Behaviour::Answer(200, headers, b"{}".to_vec());
    stand.ground.upstream.on("/api/auth/login", behaviour);
    let answer = stand.send(&Request::new("POST", "/api/auth/login").json("{}")).await;
    assert_eq!((answer.status, answer.head.header("x-own")), (200, Some("a")));
    let audit = |name: &str| name.to_ascii_lowercase().starts_with("x-audit-");
    assert!(!answer.head.headers.iter().any(|(name, _)| audit(name)), "{:?}", answer.head);
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!(
        (&outcome["user_id"], &outcome["event_type"]),
        (&"kauvery-nurse".into(), &"login".into())
    );
}

/// A value that two parsers could read in two ways is not written into a head that is parsed again.
#[tokio::test]
async fn an_identity_that_is_not_plain_arrives_whole() {
    let stand = Stand::postgres().await;
    let renamed = "update organizations set slug = 'kauvery é' where id = 'org-kauvery'";
    execute(&stand.ground.database, renamed).await;
    eventually("the new slug arrives", async || {
        let answer = stand.get("kauvery-doctor", "/api/patients").await;
        assert_eq!(answer.status, 200, "{}", answer.reason());
        let seen = stand.ground.upstream.take();
        let renamed = |(name, value): &(String, String)| {
            name == "x-auth-tenant-slug" && value.starts_with("kauvery ")
        };
        seen.iter().any(|seen| seen.identity().iter().any(renamed)).then_some(())
    })
    .await;
}

/// A name with a blank at its end would reach the upstream as another name: the request ends here instead.
#[tokio::test]
async fn an_identity_that_would_be_read_as_another_is_not_sent() {
    for stand in Stand::both_ways().await {
        let renamed = "update organizations set slug = 'kauvery ' where id = 'org-kauvery'";
        execute(&stand.ground.database, renamed).await;
        eventually("it is refused", async || {
            let answer = stand.get(USER, "/api/patients").await;
            (answer.status == 500).then_some(())
        })
        .await;
        let answer = stand.get(USER, "/api/patients").await;
        assert_eq!((answer.status, answer.reason().as_str()), (500, "internal"));
        assert!(stand.ground.upstream.by_id(answer.id()).is_empty());
    }
}
