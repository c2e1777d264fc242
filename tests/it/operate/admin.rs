//! What operators see.

use serde_json::json;
use tests::{
    client::{self, Request},
    metrics::Metrics,
    stand::Stand,
    tokens::token,
    wait::eventually,
};

#[tokio::test]
async fn the_gate_says_how_it_is() {
    let stand = Stand::sqlite().await;
    assert_eq!(stand.ask_admin("/livez").await.status, 200);
    let ready = stand.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.json());
    assert!(ready.json().is_object());
    let status = stand.ask_admin("/status").await.json();
    for member in ["version", "policy_digest", "policy_generation", "policy_loaded_at"] {
        assert!(!status[member].is_null(), "{member} of {status}");
    }
    assert!(status.as_object().unwrap().contains_key("policy_error"), "{status}");
    assert!(status["policy_error"].is_null(), "{status}");
    let answer = stand.get("kauvery-doctor", "/api/patients").await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_eq!(record["policy_digest"], status["policy_digest"]);
}

#[tokio::test]
async fn the_admin_listener_is_for_this_machine() {
    let stand = Stand::sqlite().await;
    for host in ["evil.example", "rebound.example:9901", "10.0.0.1"] {
        let answer = client::send(stand.admin(), &Request::get("/status").host(host)).await;
        assert!((400..500).contains(&answer.status), "{host}: {}", answer.status);
    }
    for host in ["localhost", "127.0.0.1", "[::1]:9901", "localhost:9901"] {
        let answer = client::send(stand.admin(), &Request::get("/status").host(host)).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let proxied = stand.send(&Request::get("/metrics")).await;
    assert_eq!((proxied.status, proxied.reason().as_str()), (401, "token_missing"));
}

/// Kubelets and Prometheus name the address that they connect to, `HAProxy` names nothing.
#[tokio::test]
async fn probes_that_name_an_address_or_nothing_are_answered() {
    let stand = Stand::builder().set("listen.admin", "0.0.0.0:0").start().await;
    let port = stand.admin().port();
    // Which address this machine would be reached at; nothing is sent. Without a network it is loopback.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = match socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()) {
        Ok(local) => local.ip(),
        Err(_) => std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let own = std::net::SocketAddr::new(address, port);
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(client::send(own, &Request::get(target)).await.status, 200, "{own} {target}");
        let plain = format!("GET {target} HTTP/1.0\r\n\r\n");
        let answer = client::send_raw(own, plain.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{target} without a host");
    }
    for host in ["192.0.2.1", "evil.example", "0.0.0.0"] {
        let answer = client::send(own, &Request::get("/status").host(host)).await;
        assert_eq!(answer.status, 421, "{host}");
    }
}

#[tokio::test]
async fn whatever_changes_something_needs_the_token_where_there_is_one() {
    let builder = Stand::builder().set("admin.token_file", "admin.token");
    let ground = builder.prepare().await;
    std::fs::write(ground.directory.path().join("admin.token"), "a-secret-of-operators\n").unwrap();
    let stand = ground.start().await;
    let reload = || Request::new("POST", "/reload");
    for request in [reload(), reload().token("another"), reload().token("")] {
        let answer = client::send(stand.admin(), &request).await;
        assert!([401, 403].contains(&answer.status), "{}", answer.status);
    }
    let answer = client::send(stand.admin(), &reload().token("a-secret-of-operators")).await;
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.json());
}

#[tokio::test]
async fn a_bad_bundle_is_refused_and_the_last_good_one_stays() {
    let stand = Stand::sqlite().await;
    let before = stand.ask_admin("/status").await.json();
    let broken = stand.ground.directory.path().join("policies/broken.cedar");
    // Whole at once: a file that is empty for a moment is a good one for that moment.
    let fresh = broken.with_extension("new");
    std::fs::write(&fresh, "@id(\"broken\") permit (principal, action, resource) when {").unwrap();
    std::fs::rename(&fresh, &broken).unwrap();
    let _refused = client::send(stand.admin(), &Request::new("POST", "/reload")).await;
    let status = eventually("the bundle is refused", || async {
        let status = stand.ask_admin("/status").await.json();
        (!status["policy_error"].is_null()).then_some(status)
    });
    let status = status.await;
    assert_eq!(status["policy_digest"], before["policy_digest"]);
    assert!(status["policy_error"].to_string().contains("broken.cedar"), "{status}");
    let metrics = Metrics::of(&stand).await;
    assert!(metrics.sum("cedargate_policy_rejected", &[]) >= 1.0);
    assert!(metrics.sum("cedargate_policy_reloads_total", &[("outcome", "rejected")]) >= 1.0);
    assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200);
    assert_eq!(stand.get("kauvery-coder", "/api/patients").await.status, 403);

    std::fs::remove_file(&broken).unwrap();
    let _reloaded = client::send(stand.admin(), &Request::new("POST", "/reload")).await;
    eventually("all is well again", || async {
        let status = stand.ask_admin("/status").await.json();
        status["policy_error"].is_null().then_some(())
    })
    .await;
}

/// A metric, some of its labels, and its sum.
type Sample<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[tokio::test]
async fn metrics_and_records_agree() {
    let stand = Stand::sqlite().await;
    let asked = [
        ("kauvery-doctor", "/api/patients", 7),
        ("kauvery-coder", "/api/patients", 5),
        ("beta-coder", "/api/codes/icd10/search", 3),
        ("kauvery-doctor", "/nowhere", 2),
    ];
    for (user, target, times) in asked {
        for _ in 0..times {
            let answer = stand.get(user, target).await;
            let _settled = stand.ground.journal.of(answer.id()).await;
        }
    }
    let glass = Request::get("/api/visits/visit-kauvery-1").token(&token("kauvery-billing"));
    let glass = stand.send(&glass.header("X-Break-Glass", "an emergency of its own")).await;
    assert_eq!(glass.status, 200);
    let _settled = stand.ground.journal.of(glass.id()).await;

    let expected: &[Sample] = &[
        (
            "cedargate_requests_total",
            &[("action", "patients.list"), ("decision", "allow"), ("status", "2xx")],
            7.0,
        ),
        (
            "cedargate_requests_total",
            &[("action", "patients.list"), ("decision", "deny"), ("status", "4xx")],
            5.0,
        ),
        ("cedargate_requests_total", &[("action", "unmapped")], 2.0),
        ("cedargate_requests_total", &[], 18.0),
        (
            "cedargate_denials_total",
            &[("action", "patients.list"), ("reason", "outside_boundary")],
            5.0,
        ),
        (
            "cedargate_denials_total",
            &[("action", "codes.search"), ("reason", "org_feature_disabled")],
            3.0,
        ),
        ("cedargate_denials_total", &[], 10.0),
        ("cedargate_break_glass_total", &[("action", "visits.read")], 1.0),
        ("cedargate_request_duration_seconds_count", &[], 18.0),
    ];
    eventually("the metrics settle", || async {
        let metrics = Metrics::of(&stand).await;
        let differs =
            |(name, labels, value): &&Sample| (metrics.sum(name, labels) - value).abs() > 0.1;
        expected.iter().find(differs).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn metrics_name_nobody_and_are_all_there() {
    let stand = Stand::sqlite().await;
    for target in ["/api/patients", "/api/patients/patient-kauvery-1", "/nowhere/patient-kauvery-1"]
    {
        let _answer = stand.get("kauvery-doctor", target).await;
    }
    let metrics = Metrics::of(&stand).await;
    for value in metrics.label_values() {
        let named = ["kauvery", "org-", "/api/", "/nowhere", "eyJ"]
            .iter()
            .find(|part| value.contains(**part));
        assert_eq!(named, None, "in a label: {value}");
    }
    for name in [
        "cedargate_requests_total",
        "cedargate_denials_total",
        "cedargate_request_duration_seconds",
        "cedargate_decision_duration_seconds",
        "cedargate_upstream_duration_seconds",
        "cedargate_token_verifications_total",
        "cedargate_facts_lookups_total",
        "cedargate_facts_load_duration_seconds",
        "cedargate_policy_info",
        "cedargate_policy_rejected",
        "cedargate_audit_records_total",
        "cedargate_malformed_requests_total",
        "cedargate_build_info",
    ] {
        assert!(metrics.has(name), "{name} is missing");
    }
    let status = stand.ask_admin("/status").await.json();
    let digest = status["policy_digest"].as_str().unwrap();
    assert!((metrics.sum("cedargate_policy_info", &[("digest", digest)]) - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn the_assertion_can_be_checked_with_the_gates_own_key() {
    let assertion = json!({"key": "keys/issuer.pem", "audience": "my-backend"});
    let stand = Stand::builder().set("upstream.assertion", assertion).start().await;
    let answer = stand.get("kauvery-doctor", "/api/patients").await;
    assert_eq!(answer.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    let assertion = seen.head.header("x-auth-assertion").unwrap().to_owned();
    let keys = stand.ask_admin("/.well-known/jwks.json").await.json();
    let (header, claims) = tests::tokens::verify_ed25519(&assertion, &keys);
    assert_eq!(header["alg"], "EdDSA");
    let expected = json!({"aud": "my-backend", "sub": "kauvery-doctor", "org": "org-kauvery",
        "tenant": "org-kauvery", "roles": ["DOCTOR"], "features": ["ai_notes", "codes"],
        "action": "patients.list", "jti": answer.id()});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&claims[name], value, "{name} of {claims}");
    }
    let life =
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap_or_else(tests::tokens::now);
    assert!(life <= 31, "{claims}");
}
