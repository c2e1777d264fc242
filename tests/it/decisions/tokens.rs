//! Who is believed.

use tests::{
    bad_tokens::{Case, bad, odd},
    client::{Answer, Request},
    stand::{Builder, Stand},
    tokens::{Signing, claims, header, signed, token},
};

const TARGET: &str = "/api/patients";

#[tokio::test]
async fn no_bad_token_is_believed_with_sqlite() {
    check_bad(Stand::builder()).await;
}

#[tokio::test]
async fn no_bad_token_is_believed_with_postgres() {
    check_bad(Stand::builder().postgres()).await;
}

async fn check_bad(builder: Builder) {
    let stand = builder.start().await;
    let cases = bad();
    assert!(cases.len() >= 50);
    let mut faults = Vec::new();
    for case in &cases {
        let answer = present(&stand, &case.authorization).await;
        let recorded = stand.ground.journal.decision(answer.id()).await;
        if !is_refused(&answer, case) || recorded["reason"] != answer.reason() {
            let (status, reason) = (answer.status, answer.reason());
            faults.push(format!("{}: {status} {reason}, {recorded}", case.name));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(stand.ground.upstream.requests().is_empty());
    let journal = stand.ground.journal.text();
    let secrets = cases.iter().filter_map(|case| case.authorization.rsplit('.').next());
    for secret in secrets.filter(|secret| secret.len() > 40) {
        assert!(!journal.contains(secret), "a token in the record: {secret}");
    }
}

fn is_refused(answer: &Answer, case: &Case) -> bool {
    let challenge = answer.head.header("www-authenticate").unwrap_or_default();
    let said = if case.reasons == ["token_missing"] {
        challenge == r#"Bearer realm="cedargate""#
    } else {
        challenge.starts_with(r#"Bearer realm="cedargate""#)
            && challenge.contains(r#"error="invalid_token""#)
    };
    answer.status == 401 && said && case.reasons.contains(&answer.reason().as_str())
}

async fn present(stand: &Stand, authorization: &str) -> Answer {
    stand.send(&Request::get(TARGET).header("Authorization", authorization)).await
}

#[tokio::test]
async fn odd_tokens_that_are_good_are_believed() {
    let stand = Stand::sqlite().await;
    for (name, authorization) in odd() {
        let answer = present(&stand, &authorization).await;
        assert_eq!((answer.status, answer.reason().as_str()), (200, ""), "{name}");
    }
}

#[tokio::test]
async fn no_authorization_at_all_is_a_missing_token() {
    let stand = Stand::sqlite().await;
    for request in [Request::get(TARGET), Request::get(TARGET).header("Authorization", "")] {
        let answer = stand.send(&request).await;
        assert_eq!((answer.status, answer.reason().as_str()), (401, "token_missing"));
        let challenge = answer.head.header("www-authenticate");
        assert_eq!(challenge, Some(r#"Bearer realm="cedargate""#));
    }
}

#[tokio::test]
async fn a_token_says_who_and_never_what_they_may() {
    let stand = Stand::sqlite().await;
    let mut claims = claims("kauvery-coder");
    claims["roles"] = ["PLATFORM_ADMIN", "DOCTOR"].as_slice().into();
    claims["is_super_admin"] = true.into();
    claims["organization_id"] = "org-beta".into();
    claims["enabled_features"] = ["ai_notes"].as_slice().into();
    let token = signed(Signing::EdDsa, &header(Signing::EdDsa), &claims);
    let answer = stand.send(&Request::get(TARGET).token(&token)).await;
    assert_eq!((answer.status, answer.reason().as_str()), (403, "outside_boundary"));
}

#[tokio::test]
async fn a_bad_token_on_a_public_route_is_not_looked_at() {
    let stand = Stand::sqlite().await;
    for case in bad() {
        let request = Request::get("/healthz").header("Authorization", &case.authorization);
        let answer = stand.send(&request).await;
        assert_eq!(answer.status, 200, "{}", case.name);
    }
    for seen in stand.ground.upstream.take() {
        assert!(seen.identity().is_empty() && seen.head.header("authorization").is_none());
    }
}

#[tokio::test]
async fn a_token_is_forwarded_only_where_that_is_configured() {
    let stand = Stand::builder().set("upstream.forward_authorization", true).start().await;
    let token = token("kauvery-doctor");
    assert_eq!(stand.send(&Request::get(TARGET).token(&token)).await.status, 200);
    let seen = stand.ground.upstream.take().remove(0);
    assert_eq!(seen.head.header("authorization"), Some(format!("Bearer {token}").as_str()));
}

#[tokio::test]
async fn a_token_ends_when_its_time_does_even_in_the_middle_of_a_connection() {
    let stand = Stand::builder().set("jwt.leeway", "0s").start().await;
    let mut good = None;
    // A busy machine may need longer than the first of these for one request.
    for life in [4, 16, 64] {
        let mut claims = claims("kauvery-doctor");
        claims["exp"] = (tests::tokens::now() + life).into();
        let token = signed(Signing::EdDsa, &header(Signing::EdDsa), &claims);
        let request = Request::get(TARGET).token(&token);
        if stand.send(&request).await.status == 200 {
            good = Some(request);
            break;
        }
    }
    let request = good.expect("it is good for a while");
    tests::wait::eventually("the token expires", || async {
        let answer = stand.send(&request).await;
        (answer.reason() == "token_expired").then_some(())
    })
    .await;
}
