//! Records that the database refuses by themselves: they stay in the journal, and a signed mark says so.

use tests::{
    client::Request,
    sql::execute,
    stand::{Stand, copy_tree},
    tokens::token,
    wait::eventually,
};

use super::filled::{Filled, Kind};
use super::first;
use crate::audit::tampering::place;

#[tokio::test]
async fn a_record_that_the_database_refused_is_no_deletion_and_another_one_is() {
    let stand = Stand::builder().postgres().set("audit.database", true).start().await;
    let refuse =
        "alter table audit_logs add constraint audit_logs_picky check (user_agent <> 'refuse-me')";
    execute(&stand.ground.database, refuse).await;
    for agent in ["curl", "refuse-me", "curl", "curl"] {
        let request = Request::get("/api/patients").token(&token("kauvery-doctor"));
        let answer = stand.send(&request.header("User-Agent", agent)).await;
        assert_eq!(answer.status, 200);
        stand.ground.journal.of(answer.id()).await;
    }
    eventually("the refusals are marked", || async {
        let records = stand.ground.journal.records();
        let marks = records.iter().filter(|it| it["reason"] == "sink_refused");
        (marks.count() == 2).then_some(())
    })
    .await;
    stand.ground.journal.is_delivered_to(&stand.ground.database).await;
    let ground = stand.stop().await;
    let records = ground.journal.records();
    let marks: Vec<_> = records.iter().filter(|it| it["reason"] == "sink_refused").collect();
    let refused: Vec<_> = marks.iter().map(|it| it["details"]["seq"].as_u64().unwrap()).collect();
    assert_eq!(refused, [3, 4], "{marks:?}");
    assert!(
        marks[0]["details"]["error"].as_str().unwrap().contains("audit_logs_picky"),
        "{marks:?}"
    );

    let journal = place().join("refused");
    copy_tree(ground.journal.directory(), &journal);
    let (url, key) = (ground.database.clone(), journal.join("signing.pub"));
    let filled = Filled::of(Kind::Postgres, url, key, journal, records.len() as u64);
    let copy = filled.copy().await;
    for journal in [None, Some(filled.journal.as_path())] {
        let (code, found) = copy.verify(journal).await;
        assert_eq!((code, first(&found).as_str()), (0, "good"), "{found:#}");
    }
    copy.execute("delete from audit_logs where seq = 5").await;
    let (code, found) = copy.verify(None).await;
    assert_eq!((code, first(&found).as_str()), (1, "5 rows_missing"), "{found:#}");
}
