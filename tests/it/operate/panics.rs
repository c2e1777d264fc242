//! A panic in a stage denies that request, and only that one.
//!
//! Nothing in the gate panics that we know of, so the panic is brought in from where others' code
//! runs in the middle of a request: a log subscriber.

use std::fmt;
use std::sync::Once;

use tests::{
    client::{Connection, Request},
    stand::Stand,
    tokens::token,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The path that the subscriber cannot stand.
const UNLUCKY: &str = "/api/patients/unlucky";

struct Unlucky;

impl Subscriber for Unlucky {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::TRACE && metadata.target().starts_with("proxy::")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Looks);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Looks;

impl Visit for Looks {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let unlucky = field.name() == "path" && format!("{value:?}") == UNLUCKY;
        assert!(!unlucky, "brought in by the test");
    }
}

#[tokio::test]
async fn a_panic_is_a_recorded_500_and_the_process_lives() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Unlucky).unwrap());
    let stand = Stand::sqlite().await;
    let mut connection = Connection::open(stand.proxy()).await;

    let unlucky = Request::get(UNLUCKY).token(&token("kauvery-doctor"));
    let answer = connection.send(&unlucky).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (500, "internal"));
    assert_eq!(answer.json()["detail"], "The service has failed");
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_eq!((&record["decision"], &record["reason"]), (&"error".into(), &"internal".into()));
    assert!(stand.ground.upstream.take().is_empty());

    let lucky = Request::get("/api/patients/patient-kauvery-1").token(&token("kauvery-doctor"));
    assert_eq!(connection.send(&lucky).await.unwrap().status, 200, "on the same connection");
}
