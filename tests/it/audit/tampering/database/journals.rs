//! A journal that was removed whole, or put back to an older state: another one knows how far it was.

use tests::{
    client::Request,
    stand::{Stand, copy_tree},
    tokens::token,
    wait::eventually,
};

use super::filled::{Filled, Kind, vacuum_into};
use super::{BOTH, first};
use crate::audit::tampering::place;

/// The number of the last record of the first journal, a database with two journals, and the first one's name.
struct Two {
    filled: Filled,
    first: String,
    last: u64,
}

async fn ask(stand: &Stand) {
    let request = Request::get("/api/patients/patient-kauvery-1").token(&token("kauvery-doctor"));
    let answer = stand.send(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.reason());
    stand.ground.journal.of(answer.id()).await;
}

/// Two gates, one after the other, with one database and one key.
async fn two(kind: Kind) -> Two {
    let builder =
        if kind == Kind::Postgres { Stand::builder().postgres() } else { Stand::builder() };
    let stand = builder.set("audit.database", true).start().await;
    for _ in 0..5 {
        ask(&stand).await;
    }
    stand.ground.journal.is_delivered_to(&stand.ground.database).await;
    let ground = stand.stop().await;
    let records = ground.journal.records();
    let newest = records.last().unwrap();
    let (first, last) =
        (newest["instance"].as_str().unwrap().to_owned(), newest["seq"].as_u64().unwrap());
    // The directory is gone: a new journal begins, signed with the same key.
    let directory = ground.journal.directory().to_owned();
    let old = ground.directory.path().join("old");
    std::fs::rename(&directory, &old).unwrap();
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(old.join("signing.pem"), directory.join("signing.pem")).unwrap();
    let stand = ground.start().await;
    ask(&stand).await;
    eventually("the new journal says which one it knows", || async {
        let records = stand.ground.journal.records();
        records.iter().any(|it| it["reason"] == "journals_known").then_some(())
    })
    .await;
    stand.ground.journal.is_delivered_to(&stand.ground.database).await;
    let ground = stand.stop().await;
    let own = place().join(format!("two-{kind:?}"));
    let journal = own.join("journal");
    copy_tree(&directory, &journal);
    let url = match kind {
        Kind::Sqlite => {
            vacuum_into(&ground.database, &own.join("gate.db")).await;
            format!("sqlite://{}", own.join("gate.db").display())
        }
        Kind::Postgres => ground.database.clone(),
    };
    let key = journal.join("signing.pub");
    let newest = ground.journal.records().last().unwrap()["seq"].as_u64().unwrap();
    Two { filled: Filled::of(kind, url, key, journal, newest), first, last }
}

#[tokio::test]
async fn a_journal_that_is_gone_or_older_than_another_one_knew_it_is_found() {
    for kind in BOTH {
        let two = two(kind).await;
        let (code, found) = two.filled.verify(None).await;
        assert_eq!((code, first(&found).as_str()), (0, "good"), "{kind:?}: {found:#}");
        assert_eq!(found["journals"].as_array().unwrap().len(), 2);
        let of = |rest: &str| {
            format!(
                "delete from audit_logs where instance = '{0}' {rest}; \
                 delete from audit_checkpoints where instance = '{0}' {rest}",
                two.first
            )
        };
        for (rest, expected) in [
            (String::new(), "journal_gone"),
            (format!("and seq > {}", two.last - 3), "journal_rolled_back"),
        ] {
            let copy = two.filled.copy().await;
            copy.execute(&of(&rest)).await;
            for journal in [None, Some(two.filled.journal.as_path())] {
                let (code, found) = copy.verify(journal).await;
                let said = first(&found);
                assert!(code == 1 && said.ends_with(expected), "{kind:?}: {said}: {found:#}");
            }
        }
    }
}
