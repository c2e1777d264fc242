//! Whatever is done to what a database has of a journal is found, and told where: with the journal and without it.

mod attacks;
mod filled;
mod journals;
mod refused;
mod retention;

use serde_json::Value;

use attacks::Attack;
use filled::{Filled, Kind};

const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

/// The first fault of the answer, as `10 row_changed`, or why there is none.
fn first(answer: &Value) -> String {
    let faults: Vec<&Value> = match answer["journals"].as_array() {
        Some(journals) => journals.iter().flat_map(|it| it["faults"].as_array().unwrap()).collect(),
        None => answer["faults"].as_array().unwrap().iter().collect(),
    };
    match faults.first() {
        Some(fault) => {
            let column = fault["column"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
            let columns =
                fault["columns"].as_array().map(|it| format!(" {it:?}")).unwrap_or_default();
            format!("{} {}{column}{columns}", fault["seq"], fault["kind"].as_str().unwrap())
        }
        None if answer["good"] == true => "good".to_owned(),
        None => "not all verified".to_owned(),
    }
}

/// Does something to a copy of a database; compares the first fault that is found without the journal with the one
/// expected, and that with it.
async fn check(what: &str, attack: &Attack, alone: &str, with_journal: &str) {
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        let copy = filled.copy().await;
        copy.attack(attack).await;
        let (code, found) = copy.verify(None).await;
        assert_eq!(first(&found), alone, "{what}, {kind:?}, alone: {found:#}");
        assert_eq!(code, i32::from(alone != "good"), "{what}, {kind:?}: {found:#}");
        let (code, found) = copy.verify(Some(&filled.journal)).await;
        let said = first(&found);
        assert!(said.starts_with(with_journal), "{what}, {kind:?}, with it: {said}: {found:#}");
        assert_eq!(code, i32::from(with_journal != "good"), "{what}, {kind:?}: {found:#}");
    }
}

#[tokio::test]
async fn what_nobody_touched_is_good_with_the_journal_and_without() {
    for kind in BOTH {
        for filled in [Filled::shared(kind).await, Filled::pruned(kind).await] {
            let filled = filled.copy().await;
            let (code, found) = filled.verify(None).await;
            assert_eq!((code, first(&found).as_str()), (0, "good"), "{kind:?}: {found:#}");
            let journal = &found["journals"][0];
            assert_eq!(journal["verified"]["seq"], filled.last, "{found:#}");
            assert_eq!((&journal["unsigned"], &journal["unverifiable"]), (&0.into(), &0.into()));
            let (code, found) = filled.verify(Some(&filled.journal)).await;
            assert_eq!((code, first(&found).as_str()), (0, "good"), "{kind:?}: {found:#}");
        }
        let pruned = Filled::pruned(kind).await.copy().await;
        let (_, found) = pruned.verify(Some(&pruned.journal)).await;
        assert!(found["first"].as_u64().unwrap() > 1, "nothing was pruned: {found:#}");
    }
}

#[tokio::test]
async fn a_row_that_was_changed_is_named_and_its_column_where_that_can_be_told() {
    let changes = [
        ("user_id = 'somebody-else'", "[String(\"user_id\")]"),
        ("break_glass = 'an emergency'", "[String(\"break_glass\")]"),
        (
            "decision = 'deny', reason = 'role_not_allowed'",
            "[String(\"decision\"), String(\"reason\")]",
        ),
        ("status = 500", "[String(\"status\")]"),
        ("roles = NOBODY", "[String(\"roles\")]"),
    ];
    for (change, columns) in changes {
        let attack = Attack::update(10, change);
        check(change, &attack, "10 row_changed", &format!("10 database_differs {columns}")).await;
    }
    let attack = Attack::details(10);
    check("details", &attack, "10 row_changed", "10 database_differs").await;
    let attack = Attack::update(10, "chain = ZEROS");
    check("chain", &attack, "10 row_changed chain", "10 database_differs [String(\"chain\")]")
        .await;
}

#[tokio::test]
async fn rows_that_were_deleted_are_missing_wherever_they_were() {
    let last = Filled::shared(Kind::Sqlite).await.last;
    let attack = Attack::delete("seq between 10 and 12");
    check("the middle", &attack, "10 rows_missing", "10 rows_missing").await;
    let attack = Attack::delete("seq <= 3");
    check("the beginning", &attack, "1 rows_missing", "1 rows_missing").await;
    // How many there are depends on no clock: both databases have the same number.
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        assert_eq!(filled.last, last);
    }
    let from = last - 2;
    let expected = format!("{from} rows_missing");
    let attack = Attack::delete(&format!("seq >= {from}"));
    check("the end", &attack, &expected, &expected).await;
    let attack = Attack::delete("true");
    check("all", &attack, "1 rows_missing", "1 rows_missing").await;
}

/// Records and what vouches for them, cut off together: without the journal that is how a database looked before. What
/// it says of itself is where it ends. The journal, signed, knows that there was more.
#[tokio::test]
async fn an_end_that_was_cut_off_with_its_checkpoints_is_found_with_the_journal() {
    let last = Filled::shared(Kind::Sqlite).await.last;
    let attack = Attack::cut(last - 9);
    check("cut", &attack, "good", &format!("{} rows_missing", last - 8)).await;
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_not_the_one_that_was_signed() {
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        let copy = filled.copy().await;
        copy.attack(&Attack::update(10, "user_id = 'somebody-else'")).await;
        copy.chain_anew(10).await;
        let (code, found) = copy.verify(None).await;
        let fault = &found["journals"][0]["faults"][0];
        assert_eq!((code, &fault["kind"]), (1, &"rewritten".into()), "{kind:?}: {found:#}");
        let (from, to) = (fault["seq"].as_u64().unwrap(), fault["to"].as_u64().unwrap());
        assert!(from <= 10 && to >= 10, "{found:#}");
    }
}

#[tokio::test]
async fn what_vouches_for_records_cannot_be_taken_out_unseen() {
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        let numbers = filled.copy().await.numbers().await;
        let (third, seq) = numbers[2];
        let copy = filled.copy().await;
        copy.attack(&Attack::unvouch(&format!("number = {third}"))).await;
        let (code, found) = copy.verify(None).await;
        let said = first(&found);
        assert!(said.ends_with("checkpoints_gone"), "{kind:?}, {seq}: {said}: {found:#}");
        assert_eq!((code, &found["journals"][0]["faults"][0]["from"]), (1, &third.into()));

        let copy = filled.copy().await;
        copy.attack(&Attack::unvouch("number > 0")).await;
        let (code, found) = copy.verify(None).await;
        assert_eq!((code, first(&found).as_str()), (1, "not all verified"), "{found:#}");

        // The last ones: what is behind them is told not to be signed.
        let before = numbers.iter().rev().find(|(_, seq)| *seq < filled.last).unwrap();
        let copy = filled.copy().await;
        copy.attack(&Attack::unvouch(&format!("number > {}", before.0))).await;
        let (_, found) = copy.verify(None).await;
        let journal = &found["journals"][0];
        assert_eq!(journal["verified"]["seq"], before.1, "{found:#}");
        assert_eq!(journal["unsigned"], filled.last - before.1, "{found:#}");
    }
    let attack = Attack::unvouch("number = 0 and seq > 0");
    for kind in BOTH {
        let copy = Filled::shared(kind).await.copy().await;
        copy.attack(&attack).await;
        let (code, found) = copy.verify(None).await;
        assert!(code == 1 && first(&found).ends_with("header_changed"), "{found:#}");
    }
    let attack = Attack::forge_checkpoint();
    for kind in BOTH {
        let copy = Filled::shared(kind).await.copy().await;
        copy.attack(&attack).await;
        let (code, found) = copy.verify(None).await;
        let said = first(&found);
        assert!(code == 1 && said.ends_with("checkpoint_changed"), "{said}: {found:#}");
    }
}

#[tokio::test]
async fn rows_that_were_put_in_are_found() {
    let last = Filled::shared(Kind::Sqlite).await.last;
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        let copy = filled.copy().await;
        copy.attack(&Attack::copy_row(10, "JOURNAL", last + 1)).await;
        // What is missed before it is a segment, if the last one was closed.
        let ways = ["row_changed", "header_changed"].map(|it| format!("{} {it}", last + 1));
        let (code, found) = copy.verify(None).await;
        assert!(code == 1 && ways.contains(&first(&found)), "{kind:?}: {found:#}");
        let (code, found) = copy.verify(Some(&filled.journal)).await;
        let ahead = format!("{} database_ahead", last + 1);
        assert_eq!((code, first(&found)), (1, ahead), "{kind:?}: {found:#}");
    }
    let attack = Attack::copy_row(10, "'another-journal'", 1);
    check("of another journal", &attack, "not all verified", "good").await;
    let attack = Attack::copy_row(10, "null", 0);
    check("without a seal", &attack, "null rows_unsealed", "good").await;
}

#[tokio::test]
async fn behind_pruned_segments_the_same_is_found() {
    for kind in BOTH {
        let filled = Filled::pruned(kind).await;
        for (attack, expected) in [
            (Attack::update(2, "user_id = 'somebody-else'"), "2 row_changed"),
            (Attack::delete("seq = 3"), "3 rows_missing"),
        ] {
            let copy = filled.copy().await;
            copy.attack(&attack).await;
            for journal in [None, Some(&filled.journal)] {
                let (code, found) = copy.verify(journal.map(std::path::PathBuf::as_path)).await;
                assert_eq!((code, first(&found).as_str()), (1, expected), "{kind:?}: {found:#}");
            }
        }
    }
}

#[tokio::test]
async fn the_wrong_key_verifies_nothing() {
    for kind in BOTH {
        let filled = Filled::shared(kind).await.copy().await;
        let other = tempfile::tempdir().unwrap();
        let key = other.path().join("other.pub");
        std::fs::write(&key, tests::forger::Key::generate().pem()).unwrap();
        let (code, found) = filled.verify_with(&key, None).await;
        assert_eq!(code, 1);
        assert!(first(&found).ends_with("checkpoint_untrusted"), "{found:#}");
        let url = filled.url.as_str();
        let (code, _, complaints) = filled.run(&["verify", "--database", url]).await;
        assert!(code == 2 && complaints.contains("--key FILE"), "{complaints}");
    }
}

/// A report says how far what it rests on is verified, and ends with 1 where it is not.
#[tokio::test]
async fn reports_say_how_far_what_they_rest_on_is_verified() {
    for kind in BOTH {
        let filled = Filled::shared(kind).await;
        let copy = filled.copy().await;
        let commands: [&[&str]; 4] = [
            &["report", "break-glass"],
            &["report", "disclosures", "--resource", "patient-kauvery-1", "--format", "json"],
            &["query"],
            &["export", "--format", "csv"],
        ];
        let verified = format!("verified to number {} of journal ", copy.last);
        for command in commands {
            let source = ["--database", copy.url.as_str()];
            let (code, out, complaints) = copy.run(&[command, &source].concat()).await;
            assert_eq!(code, 0, "{command:?}: {complaints}");
            assert!(!(out + &complaints).contains("verified to number"));
            let key = ["--key", copy.key.to_str().unwrap()];
            let (code, out, complaints) = copy.run(&[command, &source, &key].concat()).await;
            assert_eq!(code, 0, "{command:?}: {complaints}");
            assert!((out + &complaints).contains(&verified), "{command:?}: {complaints}");
        }
        let (_, out, _) = copy.run(&["report", "break-glass", "--database", &copy.url]).await;
        assert!(out.trim_end().ends_with("no key was given (--key FILE)"), "{out}");
        copy.attack(&Attack::update(10, "user_id = 'somebody-else'")).await;
        for command in commands {
            let key = ["--database", copy.url.as_str(), "--key", copy.key.to_str().unwrap()];
            let (code, out, complaints) = copy.run(&[command, &key].concat()).await;
            assert_eq!(code, 1, "{command:?}: {out}");
            assert!((out + &complaints).contains("NOT VERIFIED: "), "{command:?}: {complaints}");
        }
    }
}
