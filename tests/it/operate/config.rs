//! A configuration that is not right stops the start, and says where.

use tests::{binary, stand::Stand};

/// What is wrong: the line to put in place of `durability: process`, and what the message names.
const WRONG: &[(&str, &[&str])] = &[
    ("durabillity: process", &["durabillity", "durability"]),
    ("durability: forever", &["durability", "forever"]),
    ("durability: [process]", &["durability"]),
    ("durability: process\nlimits: {json_body: many}", &["json_body", "many"]),
    ("durability: process\nfacts_: {}", &["facts_"]),
    ("durability: process\nlimits:\n  header_bytes: -1", &["header_bytes"]),
    ("durability: process\ntrusted_proxies: [everybody]", &["trusted_proxies", "everybody"]),
    ("durability: 'process", &[]),
];

const GOOD: &str = "listen: {proxy: '127.0.0.1:0', admin: '127.0.0.1:0'}
upstream: {address: '127.0.0.1:1'}
jwt:
  issuers:
    - issuer: https://auth.cedargate.example
      audiences: [cedargate]
      algorithms: [EdDSA]
      jwks: keys/jwks.json
facts: {database: 'sqlite://var/cedargate.db'}
policies: {directory: policies}
audit:
  directory: var/audit
  durability: process
";

#[tokio::test]
async fn a_wrong_key_or_value_names_file_line_and_remedy() {
    let ground = Stand::builder().prepare().await;
    for (line, names) in WRONG {
        std::fs::write(ground.config(), GOOD.replace("durability: process", line)).unwrap();
        let (status, output, complaint) = binary::run(ground.directory.path(), &["serve"]).await;
        assert!([1, 2].contains(&status), "{line}: {status} {output}{complaint}");
        assert!(complaint.contains("cedargate.yaml"), "{line}: no file in {complaint}");
        let lines = ["12", "13", "14", "15"];
        assert!(
            lines.iter().any(|number| complaint.contains(number)),
            "{line}: no line in {complaint}"
        );
        for name in *names {
            assert!(complaint.contains(name), "{line}: no {name} in {complaint}");
        }
        assert!(output.is_empty(), "{line}: {output}");
    }
}

#[tokio::test]
async fn a_bad_policy_stops_the_start() {
    let ground = Stand::builder().prepare().await;
    std::fs::write(ground.config(), GOOD).unwrap();
    let policy =
        "@id(\"odd\") permit (principal, action, resource) when { principal.shoe_size == 1 };";
    std::fs::write(ground.directory.path().join("policies/odd.cedar"), policy).unwrap();
    let (status, _, complaint) = binary::run(ground.directory.path(), &["serve"]).await;
    assert!([1, 2].contains(&status), "{status} {complaint}");
    assert!(complaint.contains("odd.cedar") && complaint.contains("shoe_size"), "{complaint}");
}

#[tokio::test]
async fn wrong_usage_and_unreadable_input_end_with_2() {
    let ground = Stand::builder().prepare().await;
    for arguments in
        [&["serv"][..], &["serve", "--no-such-flag"], &["serve", "--config", "nowhere.yaml"]]
    {
        let (status, _, complaint) = binary::run(ground.directory.path(), arguments).await;
        assert_eq!(status, 2, "{arguments:?}: {complaint}");
        assert!(!complaint.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_environment_wins_over_the_file() {
    let ground = Stand::builder().prepare().await;
    let mine = std::iter::once(("CEDARGATE_UPSTREAM__ADDRESS".to_owned(), "nonsense".to_owned()));
    let loaded = proxy::config::Config::load(Some(&ground.config()), mine);
    let complaint = format!("{:?}", loaded.expect_err("no address"));
    assert!(
        complaint.contains("nonsense") || complaint.contains("CEDARGATE_UPSTREAM__ADDRESS"),
        "{complaint}"
    );
}
