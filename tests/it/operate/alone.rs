//! A gate with one worker is one thread: it serves, reloads, answers operators and ends as any other.

use tests::{
    client::{self, Request},
    stand::Stand,
    tokens::token,
};

#[tokio::test]
async fn one_worker_does_everything() {
    let ground = Stand::builder().prepare().await.with("workers", 1);
    let gate = ground.serve().await;
    let patients = Request::get("/api/patients");
    for (user, status) in [("kauvery-doctor", 200), ("kauvery-coder", 403)] {
        let answer = client::send(gate.proxy(), &patients.clone().token(&token(user))).await;
        assert_eq!(answer.status, status, "{}", answer.reason());
    }
    let form = Request::new("POST", "/api/patients").token(&token("kauvery-doctor"));
    let created = client::send(gate.proxy(), &form.json("{}")).await;
    assert_eq!(created.status, 200, "{}", created.reason());
    gate.hang_up().await;
    assert_eq!(client::send(gate.admin(), &Request::get("/readyz")).await.status, 200);
    assert_eq!(gate.signal("TERM").await, Some(0));
}
