//! Databases that a gate has filled, and copies of them to be tampered with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sqlx::{Row as _, SqlitePool};
use tempfile::TempDir;
use tests::{
    binary,
    client::Request,
    forger::{Chain, NOTHING, hex, seal},
    postgres,
    sql::execute,
    stand::{Stand, copy_tree},
    tokens::token,
    wait::eventually,
};
use tokio::sync::OnceCell;

use super::attacks::{Attack, DISARM_POSTGRES, DISARM_SQLITE};
use crate::audit::tampering::place;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// A database that has all of a journal, the journal, and its public key.
pub(super) struct Filled {
    pub(super) kind: Kind,
    pub(super) url: String,
    pub(super) key: PathBuf,
    pub(super) journal: PathBuf,
    /// The number of the last record.
    pub(super) last: u64,
    /// What is gone with it.
    _directory: Option<TempDir>,
}

/// Requests; each leaves two records.
const REQUESTS: u64 = 24;

static SHARED: [OnceCell<Filled>; 2] = [OnceCell::const_new(), OnceCell::const_new()];
static PRUNED: [OnceCell<Filled>; 2] = [OnceCell::const_new(), OnceCell::const_new()];

/// A request with several details in its record: their order is part of the hash.
async fn look(stand: &Stand, number: u64) {
    let request = Request::get("/api/patients/patient-kauvery-1").token(&token("kauvery-doctor"));
    let request = request.header("X-Request-Id", format!("request-{number}"));
    let answer = stand.send(&request.header("X-Break-Glass", "to be on the safe side")).await;
    assert_eq!(answer.status, 200, "{}", answer.reason());
    stand.ground.journal.of(answer.id()).await;
}

impl Filled {
    /// One of each kind. Nobody connects to it: PostgreSQL copies only what nobody uses.
    pub(super) async fn shared(kind: Kind) -> &'static Self {
        SHARED[kind as usize].get_or_init(|| Self::make(kind, false)).await
    }

    /// The same, whose journal has only its last segments.
    pub(super) async fn pruned(kind: Kind) -> &'static Self {
        PRUNED[kind as usize].get_or_init(|| Self::make(kind, true)).await
    }

    /// What there is already.
    pub(super) fn of(kind: Kind, url: String, key: PathBuf, journal: PathBuf, last: u64) -> Self {
        Self { kind, url, key, journal, last, _directory: None }
    }

    async fn make(kind: Kind, pruned: bool) -> Self {
        let mut builder = Stand::builder().set("audit.segment_size", "8KiB");
        if pruned {
            builder = builder.set("audit.keep", "1s");
        }
        if kind == Kind::Postgres {
            builder = builder.postgres();
        }
        let stand = builder.set("audit.database", true).start().await;
        for number in 0..REQUESTS {
            look(&stand, number).await;
        }
        let first = || stand.ground.journal.records().first().map(|it| it["seq"].as_u64().unwrap());
        if pruned {
            // A segment ends with a later record once it is full, and later still where the disk is slow.
            eventually("segments are pruned", || async {
                look(&stand, REQUESTS).await;
                first().filter(|seq| *seq > 10)
            })
            .await;
        }
        stand.ground.journal.is_delivered_to(&stand.ground.database).await;
        let ground = stand.stop().await;
        let name = format!("{kind:?}-{pruned}");
        let own = place().join(&name);
        let journal = own.join("journal");
        copy_tree(ground.journal.directory(), &journal);
        let url = match kind {
            Kind::Sqlite => {
                let file = own.join("gate.db");
                vacuum_into(&ground.database, &file).await;
                format!("sqlite://{}", file.display())
            }
            Kind::Postgres => ground.database.clone(),
        };
        let key = own.join("audit.pub");
        fs::copy(journal.join("signing.pub"), &key).unwrap();
        let head = fs::read_to_string(journal.join("head")).unwrap();
        let last = serde_json::from_str::<Value>(&head).unwrap()["seq"].as_u64().unwrap();
        Self { kind, url, key, journal, last, _directory: None }
    }

    /// A copy, without the triggers that keep rows as they are.
    pub(super) async fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = match self.kind {
            Kind::Sqlite => {
                let file = directory.path().join("gate.db");
                fs::copy(self.url.strip_prefix("sqlite://").unwrap(), &file).unwrap();
                format!("sqlite://{}", file.display())
            }
            Kind::Postgres => {
                let template = self.url.rsplit('/').next().unwrap();
                postgres::shared().await.create_database(Some(template)).await
            }
        };
        let (key, journal) = (self.key.clone(), self.journal.clone());
        let (kind, last) = (self.kind, self.last);
        let copy = Self { kind, url, key, journal, last, _directory: Some(directory) };
        let disarm = if kind == Kind::Sqlite { DISARM_SQLITE } else { DISARM_POSTGRES };
        copy.execute(disarm).await;
        copy
    }

    pub(super) async fn execute(&self, sql: &str) {
        match self.kind {
            Kind::Sqlite => {
                let pool = SqlitePool::connect(&self.url).await.unwrap();
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Kind::Postgres => execute(&self.url, sql).await,
        }
    }

    pub(super) async fn attack(&self, attack: &Attack) {
        self.execute(attack.sql(self.kind)).await;
    }

    /// The numbers of the checkpoints, and the records that they stand behind.
    pub(super) async fn numbers(&self) -> Vec<(u64, u64)> {
        let sql = "select number, seq from audit_checkpoints where number > 0 order by number";
        let both =
            |number: i64, seq: i64| (u64::try_from(number).unwrap(), u64::try_from(seq).unwrap());
        match self.kind {
            Kind::Sqlite => {
                let pool = SqlitePool::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
                pool.close().await;
                rows.iter().map(|row| both(row.get(0), row.get(1))).collect()
            }
            Kind::Postgres => {
                let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
                pool.close().await;
                rows.iter().map(|row| both(row.get(0), row.get(1))).collect()
            }
        }
    }

    /// Writes the hashes of all rows anew from a record on, as somebody does who knows the format.
    pub(super) async fn chain_anew(&self, from: u64) {
        let (_, lines, _) =
            self.run(&["export", "--format", "jsonl", "--database", &self.url]).await;
        let headers = self.headers().await;
        let mut lines: Vec<&str> = lines.lines().collect();
        let seq = |line: &str| -> u64 {
            serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()
        };
        lines.sort_by_key(|line| seq(line));
        let (mut chain, mut sql): (Chain, String) = (NOTHING, String::new());
        for line in lines {
            let number = seq(line);
            for header in headers.iter().filter(|(behind, _)| *behind + 1 == number) {
                chain = seal(&chain, tests::forger::hashed(&header.1)).1;
            }
            let (_, after) = seal(&chain, tests::forger::hashed(line));
            chain = after;
            if number >= from {
                let hex = hex(&chain);
                sql.push_str("update audit_logs set chain = '");
                sql.push_str(&hex);
                sql.push_str(&["' where seq = ", &number.to_string(), ";"].concat());
            }
        }
        self.execute(&sql).await;
    }

    async fn headers(&self) -> Vec<(u64, String)> {
        let sql = "select seq, line from audit_checkpoints where number = 0 order by seq";
        let of = |seq: i64, line: String| (u64::try_from(seq).unwrap(), line);
        match self.kind {
            Kind::Sqlite => {
                let pool = SqlitePool::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
                rows.iter().map(|row| of(row.get(0), row.get(1))).collect()
            }
            Kind::Postgres => {
                let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
                pool.close().await;
                rows.iter().map(|row| of(row.get(0), row.get(1))).collect()
            }
        }
    }

    /// `audit verify` of the database, with the journal or without it.
    pub(super) async fn verify(&self, journal: Option<&Path>) -> (i32, Value) {
        self.verify_with(&self.key, journal).await
    }

    pub(super) async fn verify_with(&self, key: &Path, journal: Option<&Path>) -> (i32, Value) {
        let key = key.to_str().unwrap();
        let mut arguments =
            vec!["verify", "--format", "json", "--database", &self.url, "--key", key];
        arguments.extend(journal.map(|it| it.to_str().unwrap()));
        let (code, out, complaints) = self.run(&arguments).await;
        let said = serde_json::from_str(&out);
        (code, said.unwrap_or_else(|_| panic!("{out}{complaints}")))
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        binary::run(&place(), &[&["audit"], arguments].concat()).await
    }
}

/// A copy of an SQLite database in one file.
pub(super) async fn vacuum_into(url: &str, file: &Path) {
    let pool = SqlitePool::connect(url).await.unwrap();
    let sql = format!("vacuum into '{}'", file.display());
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    pool.close().await;
}
