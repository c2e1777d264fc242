//! A clock that is set back: said, counted, marked, and no question about a time leaves anything out.

use std::{fs, time::Duration};

use sqlx::types::time::OffsetDateTime;
use tests::{
    binary,
    client::{self, Request},
    forger::{Author, Key},
    metrics::Metrics,
    stand::{Ground, Stand},
    tokens::token,
    wait::eventually,
};

/// A day a month from now, as a date is written.
#[expect(clippy::disallowed_methods, reason = "what is behind the clock depends on the clock")]
fn in_a_month() -> String {
    let day = (OffsetDateTime::now_utc() + Duration::from_hours(24 * 30)).date();
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// A journal whose records were made a month from now, with the key that has signed it.
fn write_journal(ground: &Ground, day: &str) {
    let directory = ground.journal.directory();
    let key = Key::generate();
    let private = key.private_pem();
    let mut author = Author::new(directory, "gate-1", key);
    day.clone_into(&mut author.day);
    author.segment(10, 100);
    author.checkpoint(false);
    fs::write(directory.join("signing.pem"), private).unwrap();
}

async fn audit(ground: &Ground, arguments: &[&str]) -> (i32, String, String) {
    binary::run(ground.directory.path(), &[&["audit"], arguments].concat()).await
}

#[tokio::test]
async fn a_start_behind_the_journal_is_told_and_nothing_is_lost_to_questions() {
    for builder in [Stand::builder(), Stand::builder().postgres()] {
        let ground = builder.set("audit.database", true).prepare().await;
        let day = in_a_month();
        write_journal(&ground, &day);
        let gate = ground.serve().await;
        let request = Request::get("/api/patients").token(&token("kauvery-doctor"));
        let answer = client::send(gate.proxy(), &request).await;
        assert_eq!(answer.status, 200, "{}", answer.reason());
        let metrics = Metrics::at(gate.admin()).await;
        assert!((metrics.sum("cedargate_audit_clock_set_back_total", &[]) - 1.0).abs() < 0.1);
        ground.journal.of(answer.id()).await;
        assert_eq!(gate.signal("TERM").await, Some(0));

        let records = ground.journal.records();
        let mark = &records[10];
        assert_eq!((&mark["event_type"], &mark["reason"]), (&"gate".into(), &"clock_back".into()));
        assert!(mark["details"]["greatest"].as_str().unwrap().starts_with(&day), "{mark}");
        assert_eq!(records.len(), 13);
        let journal = ground.journal.directory().to_str().unwrap().to_owned();
        let (code, out, complaints) = audit(&ground, &["verify", &journal]).await;
        assert_eq!(code, 0, "{out}{complaints}");
        assert!(out.contains("note: record 11: the clock was set back: from "), "{out}");

        let sources = [["--journal", &journal], ["--database", &ground.database]];
        for source in sources {
            eventually("all is delivered", || async {
                let (_, out, _) = audit(&ground, &[&["query"][..], &source].concat()).await;
                (out.lines().count() == 13).then_some(())
            })
            .await;
            // By the time before the clock was set back, and by their own.
            for since in [day.as_str(), "1d"] {
                let arguments = [&["query", "--since", since][..], &source].concat();
                let (code, out, complaints) = audit(&ground, &arguments).await;
                assert_eq!(code, 0, "{complaints}");
                let found = out.lines().filter(|line| line.contains(answer.id())).count();
                assert_eq!(found, 2, "{since} {source:?}: {out}");
            }
            let arguments = [&["query", "--until", day.as_str()][..], &source].concat();
            let (_, out, _) = audit(&ground, &arguments).await;
            assert_eq!(out.lines().filter(|line| line.contains(answer.id())).count(), 2, "{out}");
            let (_, out, _) =
                audit(&ground, &[&["query", "--event", "gate"][..], &source].concat()).await;
            assert!(out.contains("reason=clock_back"), "{out}");
        }
    }
}

#[tokio::test]
async fn a_start_with_a_clock_that_is_right_says_nothing_of_it() {
    let ground = Stand::builder().prepare().await;
    for _ in 0..2 {
        let gate = ground.serve().await;
        let request = Request::get("/api/patients").token(&token("kauvery-doctor"));
        assert_eq!(client::send(gate.proxy(), &request).await.status, 200);
        let metrics = Metrics::at(gate.admin()).await;
        assert!(metrics.sum("cedargate_audit_clock_set_back_total", &[]) < 0.1);
        assert_eq!(gate.signal("TERM").await, Some(0));
    }
    assert!(ground.journal.records().iter().all(|it| it["event_type"] != "gate"));
}
