//! TLS to the database, with verification: another authority and another name are as good as none.

use tests::{
    postgres::Cluster,
    stand::{Stand, prepare_database},
    wait::eventually,
};

/// What a gate answers that reaches its database by this URL.
async fn answers(url: &str) -> (u16, String) {
    let stand = Stand::builder().database(url).start().await;
    let answer = stand.get("kauvery-doctor", "/api/patients").await;
    (answer.status, answer.reason())
}

#[tokio::test]
async fn a_certificate_is_checked_to_its_root_and_its_name() {
    let cluster = Cluster::start().await;
    let plain = cluster.create_database(None).await;
    prepare_database(&plain).await;
    let authority = cluster.offer_tls().await;
    let authority = authority.display();
    // What comes with the system did not sign it.
    let other = tempfile::tempdir().unwrap();
    let other = other.path().join("other.crt");
    let stranger = Cluster::start().await;
    std::fs::copy(stranger.offer_tls().await, &other).unwrap();
    let other = other.display();
    let named = plain.replace("127.0.0.1", "localhost");
    let (allowed, refused) = ((200, String::new()), (503, "facts_unavailable".to_owned()));
    let cases = [
        (format!("{named}?sslmode=verify-full&sslrootcert={authority}"), &allowed),
        (format!("{named}?sslmode=verify-full&sslrootcert={other}"), &refused),
        (format!("{named}?sslmode=verify-full"), &refused),
        (format!("{plain}?sslmode=verify-full&sslrootcert={authority}"), &refused),
        (format!("{plain}?sslmode=verify-ca&sslrootcert={authority}"), &allowed),
    ];
    for (url, expected) in cases {
        assert_eq!(answers(&url).await, *expected, "{url}");
    }
}

#[tokio::test]
async fn changes_are_heard_over_tls() {
    let cluster = Cluster::start().await;
    let plain = cluster.create_database(None).await;
    prepare_database(&plain).await;
    let authority = cluster.offer_tls().await;
    let url = plain.replace("127.0.0.1", "localhost");
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display());
    let stand = Stand::builder().database(&url).set("facts.ttl", "1m").start().await;
    eventually("the gate listens", || async {
        let metrics = tests::metrics::Metrics::of(&stand).await;
        (metrics.sum("cedargate_facts_push_up", &[]) > 0.0).then_some(())
    })
    .await;
    stand.until("kauvery-doctor", "/api/patients", (200, "")).await;
    let sql = "update users set status = 'INACTIVE' where id = 'kauvery-doctor'";
    tests::sql::execute(&plain, sql).await;
    let gone = (401, "user_inactive");
    stand.until("kauvery-doctor", "/api/patients", gone).await;
}
