//! What retention has removed, and what only looks like it.

use std::fs;

use serde_json::Value;
use tests::{
    forger::{Author, Key},
    stand::{Stand, copy_tree},
    wait::eventually,
};

use super::filled::{Filled, Kind, vacuum_into};
use super::{BOTH, first};
use crate::audit::tampering::place;

/// A database with records of 2015 and of today, of one journal.
async fn old_and_new(kind: Kind) -> (Stand, Filled) {
    let builder =
        if kind == Kind::Postgres { Stand::builder().postgres() } else { Stand::builder() };
    let ground = builder.set("audit.database", true).prepare().await;
    let directory = ground.journal.directory().to_owned();
    let key = Key::generate();
    let private = key.private_pem();
    let mut author = Author::new(&directory, "gate-1", key);
    "2015-01-02".clone_into(&mut author.day);
    author.segment(30, 10);
    author.checkpoint(true);
    fs::write(directory.join("signing.pem"), private).unwrap();
    let stand = ground.start().await;
    for _ in 0..5 {
        let answer = stand.get("kauvery-doctor", "/api/patients/patient-kauvery-1").await;
        assert_eq!(answer.status, 200);
        stand.ground.journal.of(answer.id()).await;
    }
    let url = stand.ground.database.clone();
    let key = directory.join("signing.pub");
    let filled = Filled::of(kind, url, key, directory, 40);
    eventually("all is delivered", || async {
        let (_, found) = filled.verify(None).await;
        (found["journals"][0]["verified"]["seq"] == 40).then_some(())
    })
    .await;
    (stand, filled)
}

#[tokio::test]
async fn what_retention_removes_is_a_signed_mark_in_the_journal() {
    for kind in BOTH {
        let (stand, filled) = old_and_new(kind).await;
        let arguments = ["retain", "--database", filled.url.as_str(), "--keep", "7y"];
        let (code, out, complaints) = filled.run(&arguments).await;
        assert_eq!(code, 0, "{out}{complaints}");
        assert!(out.contains("30 records of 1 month were removed"), "{out}");
        let mark = eventually("the gate signs it", || async {
            let records = stand.ground.journal.records();
            records.into_iter().find(|it| it["reason"] == "retained")
        })
        .await;
        let told = &mark["details"];
        assert_eq!(
            (&told["first"], &told["last"], &told["records"]),
            (&1.into(), &30.into(), &30.into())
        );
        assert_eq!((&told["instance"], &mark["event_type"]), (&"gate-1".into(), &"gate".into()));
        let last = mark["seq"].as_u64().unwrap();
        let found = eventually("the mark is delivered and signed", || async {
            let (code, found) = filled.verify(None).await;
            (code == 0 && found["journals"][0]["last"].as_u64() >= Some(last)).then_some(found)
        })
        .await;
        let notes = found["journals"][0]["notes"].to_string();
        assert!(
            notes.contains("30 of the records 1 to 30 were removed by `cedargate audit retain`"),
            "{notes}"
        );
        let (code, found) = filled.verify(Some(&filled.journal)).await;
        assert_eq!((code, first(&found).as_str()), (0, "good"), "{found:#}");
        drop(stand);
    }
}

/// Who owns the table can say in it what they like: a gate signs no removal of what is younger than six years, and
/// what it signs excuses nothing that is younger than the cutoff.
#[tokio::test]
async fn what_only_looks_like_retention_is_found() {
    for kind in BOTH {
        let (stand, filled) = old_and_new(kind).await;
        let row = |id: &str, first: u64, last: u64, cutoff: &str| {
            format!(
                "insert into audit_retained (id, instance, first, last, head, records, cutoff, removed_at) \
                 values ('{id}', 'gate-1', {first}, {last}, null, 1, '{cutoff}', '{cutoff}')"
            )
        };
        let young = "2026-01-01T00:00:00.000000Z";
        filled.execute(&row("young", 33, 33, young)).await;
        filled.execute(&row("old", 35, 36, "2018-01-01T00:00:00.000000Z")).await;
        eventually("the gate signs the old one", || async {
            let records = stand.ground.journal.records();
            records.iter().any(|it: &Value| it["reason"] == "retained").then_some(())
        })
        .await;
        stand.ground.journal.is_delivered_to(&stand.ground.database).await;
        let ground = stand.stop().await;
        let marks = ground.journal.records().iter().filter(|it| it["reason"] == "retained").count();
        assert_eq!(marks, 1, "{kind:?}");
        let own = place().join(format!("retention-{kind:?}"));
        copy_tree(ground.journal.directory(), &own.join("journal"));
        let url = match kind {
            Kind::Sqlite => {
                vacuum_into(&ground.database, &own.join("gate.db")).await;
                format!("sqlite://{}", own.join("gate.db").display())
            }
            Kind::Postgres => ground.database.clone(),
        };
        let key = own.join("journal/signing.pub");
        let filled = Filled::of(kind, url, key, own.join("journal"), 41);
        for (rows, expected) in
            [("seq = 33", "33 rows_missing"), ("seq in (35, 36)", "35 removed_young")]
        {
            let copy = filled.copy().await;
            copy.execute(&format!("delete from audit_logs where {rows}")).await;
            let (code, found) = copy.verify(None).await;
            assert_eq!((code, first(&found).as_str()), (1, expected), "{kind:?}: {found:#}");
        }
    }
}
