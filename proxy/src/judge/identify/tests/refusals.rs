//! Tokens that are refused.

use super::*;

/// Changes to the header of a valid token, each with the reason of the refusal. The key `ed` signs.
fn changed_headers() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"alg": null}), "token_malformed"),
        (json!({"alg": 5}), "token_malformed"),
        (json!({"alg": ["EdDSA"]}), "token_malformed"),
        (json!({"alg": "none"}), "token_algorithm"),
        (json!({"alg": "None"}), "token_algorithm"),
        (json!({"alg": "nOnE"}), "token_algorithm"),
        (json!({"alg": ""}), "token_algorithm"),
        (json!({"alg": "HS256"}), "token_algorithm"),
        (json!({"alg": "eddsa"}), "token_algorithm"),
        (json!({"alg": "ES384"}), "token_algorithm"),
        (json!({"alg": "PS256", "kid": "rsa"}), "token_algorithm"),
        (json!({"alg": "RS256"}), "token_algorithm"),
        (json!({"alg": "ES256"}), "token_algorithm"),
        (json!({"kid": "ec"}), "token_algorithm"),
        (json!({"kid": "rsa"}), "token_algorithm"),
        (json!({"alg": "ES256", "kid": "ec"}), "token_signature"),
        (json!({"alg": "RS256", "kid": "rsa"}), "token_signature"),
        (json!({"alg": "ES256", "kid": null}), "token_key_unknown"),
        (json!({"kid": "ED"}), "token_key_unknown"),
        (json!({"kid": ""}), "token_key_unknown"),
        (json!({"kid": "../../etc/passwd"}), "token_key_unknown"),
        (json!({"kid": 1}), "token_malformed"),
        (json!({"typ": "JWE"}), "token_malformed"),
        (json!({"typ": "id_token+jwt"}), "token_malformed"),
        (json!({"typ": "application/id_token+jwt"}), "token_malformed"),
        (json!({"typ": "application/application/jwt"}), "token_malformed"),
        (json!({"typ": "text/jwt"}), "token_malformed"),
        (json!({"typ": "jwt; charset=utf-8"}), "token_malformed"),
        (json!({"alg": "ed25519"}), "token_algorithm"),
        (json!({"alg": "Ed448"}), "token_algorithm"),
        (json!({"typ": 1}), "token_malformed"),
        (json!({"crit": []}), "token_malformed"),
        (json!({"crit": ["b64"], "b64": false}), "token_malformed"),
        (json!({"b64": true}), "token_malformed"),
    ]
}

/// Changes to the claims of a valid token, each with the reason of the refusal.
fn changed_claims() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"iss": null}), "token_malformed"),
        (json!({"iss": ["main"]}), "token_malformed"),
        (json!({"iss": "Main"}), "token_issuer"),
        (json!({"iss": "main/"}), "token_issuer"),
        (json!({"iss": "far"}), "keys_unavailable"),
        (json!({"iss": "second"}), "token_key_unknown"),
        (json!({"aud": null}), "token_malformed"),
        (json!({"aud": []}), "token_malformed"),
        (json!({"aud": ["cedargate", 1]}), "token_malformed"),
        (json!({"aud": {"cedargate": 1}}), "token_malformed"),
        (json!({"aud": "Cedargate"}), "token_audience"),
        (json!({"aud": ["a", "b"]}), "token_audience"),
        (json!({"sub": null}), "token_malformed"),
        (json!({"sub": ""}), "token_malformed"),
        (json!({"sub": 17}), "token_malformed"),
        (json!({"sub": "a\u{0}"}), "token_malformed"),
        (json!({"exp": null}), "token_malformed"),
        (json!({"exp": "1700000600"}), "token_malformed"),
        (json!({"exp": -1}), "token_malformed"),
        (json!({"exp": 9_007_199_254_740_993_u64}), "token_malformed"),
        (json!({"exp": 1e300}), "token_malformed"),
        (json!({"exp": 0}), "token_expired"),
        (json!({"exp": NOW - 30.0}), "token_expired"),
        (json!({"nbf": "soon"}), "token_malformed"),
        (json!({"nbf": true}), "token_malformed"),
        (json!({"nbf": -0.5}), "token_malformed"),
        (json!({"nbf": NOW + 30.5}), "token_not_yet_valid"),
        (json!({"iat": "then"}), "token_malformed"),
        (json!({"iat": {}}), "token_malformed"),
        (json!({"iat": NOW + 31.0}), "token_not_yet_valid"),
        (json!({"jti": 1}), "token_malformed"),
        (json!({"jti": "x".repeat(257)}), "token_malformed"),
        (json!({"jti": "a\r\nX-Auth-Roles: b"}), "token_malformed"),
    ]
}

#[track_caller]
fn refuses(stand: &Stand, token: &str, expected: &str) {
    let reason = stand.verify(token).map(|_| ()).map_err(|doubt| doubt.reason());
    assert_eq!(reason, Err(expected), "{token}");
}

#[tokio::test]
async fn a_change_is_refused() {
    let stand = Stand::start();
    for (changes, expected) in changed_headers() {
        let text = token(&header(changes).to_string(), &claims(json!({})).to_string(), &stand.ed);
        refuses(&stand, &text, expected);
    }
    for (changes, expected) in changed_claims() {
        let text = token(&header(json!({})).to_string(), &claims(changes).to_string(), &stand.ed);
        refuses(&stand, &text, expected);
    }
}

#[tokio::test]
async fn text_that_means_several_things_is_refused() {
    let stand = Stand::start();
    let (head, body) = (header(json!({})).to_string(), claims(json!({})).to_string());
    let opened = body.strip_suffix('}').unwrap();
    let payloads = [
        format!(r#"{opened},"sub":"user-2"}}"#),
        format!(r#"{opened},"s\u0075b":"user-2"}}"#),
        format!(r#"{opened},"x":{{"a":1,"a":2}}}}"#),
        format!(r#"{opened},"\ud83d":1}}"#),
        format!("{body}{body}"),
        format!("[{body}]"),
        format!("\u{feff}{body}"),
        String::new(),
        "null".to_owned(),
        "\"text\"".to_owned(),
    ];
    for payload in &payloads {
        refuses(&stand, &token(&head, payload, &stand.ed), "token_malformed");
    }
    let headers = [
        r#"{"alg":"EdDSA","kid":"ed","alg":"none"}"#,
        r#"{"alg":"EdDSA","kid":"ed","kid":"ed"}"#,
        r#"{"alg":"EdDSA","kid":"ed","jwk":{"x":1,"x":2}}"#,
        r#"["EdDSA"]"#,
        "",
    ];
    for head in headers {
        refuses(&stand, &token(head, &body, &stand.ed), "token_malformed");
    }
}

#[tokio::test]
async fn text_that_is_no_token_is_refused() {
    let stand = Stand::start();
    let text = good(&stand.ed);
    let parts: Vec<&str> = text.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let standard = text.replace('-', "+").replace('_', "/");
    let stray = format!("{}{}", &text[..text.len() - 1], next_letter(&text));
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a".to_owned(),
        format!("{head}.{body}"),
        format!("{head}..{signature}"),
        format!("{text}.{signature}"),
        format!("{text}.a.b"),
        format!("{text}="),
        format!("{text}=="),
        format!("{head}=.{body}.{signature}"),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{head}.{body} .{signature}"),
        format!("{head}.{body}.\u{e9}"),
        if standard == text { format!("{text}+") } else { standard },
        stray,
        format!("{}.{body}.{signature}", "A".repeat(16 * 1024)),
    ] {
        refuses(&stand, &bad, "token_malformed");
    }
}

/// A letter that decodes to the same bytes: of the last letter of 64 bytes, four bits are discarded.
fn next_letter(text: &str) -> char {
    let last = text.chars().next_back().unwrap();
    char::from_u32(u32::from(last) + 1).unwrap()
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let stand = Stand::start();
    let text = good(&stand.ed);
    let (signed, _) = text.rsplit_once('.').unwrap();
    for signature in [
        String::new(),
        encoded([0; 64]),
        encoded([0; 63]),
        encoded(Pair::ed().sign(signed)),
        encoded(stand.ed.sign("something else")),
    ] {
        refuses(&stand, &format!("{signed}.{signature}"), "token_signature");
    }
    let (head, body) = (header(json!({"alg": "ES256", "kid": "ec"})), claims(json!({})));
    let (head, body) = (encoded(head.to_string()), encoded(body.to_string()));
    // The all-zero signature, which some ECDSA verifiers accepted.
    refuses(&stand, &format!("{head}.{body}.{}", encoded([0; 64])), "token_signature");
    let swapped = encoded(claims(json!({"sub": "user-2"})).to_string());
    let (first, rest) = text.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    refuses(&stand, &format!("{first}.{swapped}.{signature}"), "token_signature");
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let stand = Stand::start();
    let head = encoded(header(json!({"alg": "HS256"})).to_string());
    let signed = format!("{head}.{}", encoded(claims(json!({})).to_string()));
    let secret = stand.ed.jwk(None)["x"].as_str().unwrap().to_owned();
    let key = jsonwebtoken::EncodingKey::from_urlsafe_base64_secret(&format!("{secret}=")).unwrap();
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, algorithm).unwrap();
    refuses(&stand, &format!("{signed}.{signature}"), "token_algorithm");
}

#[tokio::test]
async fn an_issuer_has_its_own_algorithms_and_keys() {
    let stand = Stand::start();
    let body = claims(json!({"iss": "second"})).to_string();
    let head = header(json!({"alg": "ES256", "kid": null})).to_string();
    refuses(&stand, &token(&head, &body, &stand.ec), "token_algorithm");
    let unnamed = header(json!({"kid": null})).to_string();
    refuses(&stand, &token(&unnamed, &body, &Pair::ed()), "token_signature");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let stand = Stand::start();
    let later = claims(json!({"nbf": NOW + 100.0})).to_string();
    let early = token(&header(json!({})).to_string(), &later, &stand.ed);
    refuses(&stand, &early, "token_not_yet_valid");
    assert!(stand.verifier.verify(&early, NOW + 100.0).is_ok());
}
