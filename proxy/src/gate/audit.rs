//! The journal of a gate, and the couriers that deliver its records.

use std::sync::Arc;
use std::time::Duration;

use audit::AuditTable;
use audit::delivery::{Courier, Sink};
use audit::journal::Tear;
use audit::{Delivered, Journal, JournalConfig};
use base::supervise::Supervisor;
use database::PasswordFile;

use super::StartError;
use crate::config::{AuditDatabase, Config, DatabaseUrl};
use crate::metrics::Metrics;

/// The timeout of a delivery to the database. Long, because no request waits for a delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that sinks have at shutdown to take the remaining records. Later ones are delivered after the next start.
const FAREWELL: Duration = Duration::from_secs(5);
/// The file in the journal's directory that stores the position of standard output.
const OUTPUT_CURSOR: &str = "stdout.cursor";

/// The journal, and one courier per sink.
#[derive(Debug)]
pub(super) struct Audit {
    pub(super) journal: Arc<Journal>,
    couriers: Vec<Courier>,
}

impl Audit {
    /// Opens the configured journal and repairs what an earlier gate left in it.
    pub(super) fn open(
        config: &Config,
        metrics: &Arc<Metrics>,
        supervisor: &Arc<Supervisor>,
    ) -> Result<Self, StartError> {
        let sinks = sinks(config)?;
        let mut delivered = Delivered::default();
        let place = |sink: &Sink| match sink {
            Sink::Database(..) => delivered.database(),
            Sink::Output(_) => delivered.sink(),
        };
        let places: Vec<_> = sinks.iter().map(place).collect();
        let (journal, recovered) = Journal::open(journal(config, delivered, supervisor))?;
        tracing::info!(
            instance = %journal.instance(),
            segments = recovered.segments,
            records = recovered.records,
            "audit journal opened"
        );
        if let Some(Tear { segment, bytes }) = &recovered.torn {
            tracing::warn!(segment = %segment.display(), bytes, "a torn end of the audit journal was cut off");
        }
        if recovered.closed > 0 {
            tracing::warn!(
                intents = recovered.closed,
                "the last gate died before it could record how these requests ended"
            );
        }
        metrics.audit.watch(&journal);
        let mut couriers = Vec::new();
        for (sink, delivered) in sinks.into_iter().zip(places) {
            let directory = &config.audit.directory;
            let courier = Courier::send(&journal, directory, sink, delivered, supervisor)?;
            metrics.audit.watch_sink(Arc::clone(courier.progress()));
            couriers.push(courier);
        }
        Ok(Self { journal, couriers })
    }

    /// Closes the journal, and gives the sinks [`FAREWELL`] to take the remaining records.
    pub(super) async fn close(self) {
        if let Err(error) = self.journal.close() {
            tracing::error!(%error, "the audit journal could not be closed");
        }
        let taken = async {
            let done = || self.couriers.iter().all(Courier::is_done);
            loop {
                while !done() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // Closing again signs the progress of the sinks and any marks they added; those must be delivered too.
                if self.journal.close().is_err() || done() {
                    return;
                }
            }
        };
        if tokio::time::timeout(FAREWELL, taken).await.is_err() {
            tracing::warn!(
                "sinks did not take all audit records: the rest follows after the next start"
            );
        }
    }
}

fn sinks(config: &Config) -> Result<Vec<Sink>, StartError> {
    let mut sinks = Vec::new();
    match &config.audit.database {
        AuditDatabase::Off => {}
        AuditDatabase::Facts => {
            let password = config.facts.password_file.as_ref().map(|file| PasswordFile::new(file));
            sinks.push(database(&config.facts.database, password)?);
        }
        AuditDatabase::Own(url) => sinks.push(database(url, None)?),
    }
    if config.audit.stdout {
        sinks.push(Sink::Output(config.audit.directory.join(OUTPUT_CURSOR)));
    }
    Ok(sinks)
}

fn database(url: &DatabaseUrl, password: Option<PasswordFile>) -> Result<Sink, StartError> {
    Ok(Sink::Database(AuditTable::open(url.expose(), DELIVERY_TIMEOUT)?, password))
}

/// The configuration of the journal.
fn journal(config: &Config, delivered: Delivered, supervisor: &Arc<Supervisor>) -> JournalConfig {
    let audit = &config.audit;
    JournalConfig {
        directory: audit.directory.clone(),
        durability: audit.durability,
        anonymous_per_second: audit.anonymous_per_second,
        anonymous_bytes_per_second: audit.anonymous_bytes_per_second,
        segment_size: audit.segment_size,
        segment_age: audit.segment_age,
        quota: audit.quota,
        keep: audit.keep,
        signing_keys: audit.signing_keys.clone(),
        on_damage: audit.on_damage,
        check_at_start: audit.check_at_start,
        delivered,
        supervisor: Arc::clone(supervisor),
    }
}
