//! Delivers records from the journal to the audit's table in the database.
//!
//! No request waits for it: it reads the journal's segments behind a cursor, which is kept beside
//! them. A record may be delivered again after a crash; the table takes each once. While the
//! database is down the cursor stays where it is.

mod tail;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy_store::sql::AuditTable;

use crate::chain::chain;
use crate::metrics::Metrics;

use tail::Tail;

/// The name of this sink in the metrics.
const SINK: &str = "database";
/// The journal is looked at this often when there was nothing in it.
const IDLE: Duration = Duration::from_millis(200);
/// And this long after the database has failed.
const BACKOFF: Duration = Duration::from_secs(2);
/// Records in one statement.
const BATCH: usize = 500;

/// Delivers what is in the journal in `directory`, until it is dropped.
pub(crate) async fn deliver(directory: PathBuf, table: AuditTable, metrics: Arc<Metrics>) {
    let mut tail = Tail::open(&directory);
    loop {
        let read = tail.read();
        let wait = match read {
            Ok(None) => IDLE,
            Ok(Some(text)) => match store(&table, &text, &metrics).await {
                Ok(()) => match tail.advance(text.len()) {
                    Ok(()) => continue,
                    Err(error) => complain("the cursor cannot be written", &error),
                },
                Err(error) => complain("the database takes no records", &error),
            },
            Err(error) => complain("the journal cannot be read", &error),
        };
        tokio::time::sleep(wait).await;
    }
}

fn complain(what: &'static str, error: &dyn std::error::Error) -> Duration {
    tracing::warn!(error = %chain(error), "audit delivery: {what}");
    BACKOFF
}

/// Stores whole lines. A record that the database refuses by itself is left out and counted: it
/// stays in the journal, and must not hold up those behind it.
async fn store(
    table: &AuditTable,
    text: &str,
    metrics: &Metrics,
) -> Result<(), policy_store::sql::DatabaseError> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    for batch in lines.chunks(BATCH) {
        match table.store(batch).await {
            Ok(()) => metrics.audit.delivered(SINK, "written", batch.len() as u64),
            Err(error) if !table.is_up().await => return Err(error),
            Err(_) => one_by_one(table, batch, metrics).await?,
        }
    }
    Ok(())
}

async fn one_by_one(
    table: &AuditTable,
    batch: &[&str],
    metrics: &Metrics,
) -> Result<(), policy_store::sql::DatabaseError> {
    for line in batch {
        match table.store(&[line]).await {
            Ok(()) => metrics.audit.delivered(SINK, "written", 1),
            Err(error) if !table.is_up().await => return Err(error),
            Err(error) => {
                metrics.audit.delivered(SINK, "failed", 1);
                tracing::error!(error = %chain(&error), "audit delivery: a record is not taken");
            }
        }
    }
    Ok(())
}
