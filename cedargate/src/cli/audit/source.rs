//! Where records are read from: a journal, or the database to which they were delivered.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::AuditTable;
use audit::reader::{Entry, Reader};
use audit::table::ClockBack;
use audit::text::printable;
use audit::verify::table::verify_table;
use audit::{PublicKey, Record, segments};
use base::chain;
use base::supervise::Supervisor;
use database::{DatabaseError, PasswordFile};
use proxy::config::{AuditDatabase, Config, DEFAULT_FILE};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use super::super::printing::complain;
use super::super::{Done, Failure, environment, runtime};
use super::filter::Filter;
use super::order::Order;
use super::vouch::{Vouch, configured, read_keys};
use super::{folder, unreadable};

/// The number of records that a query asks of the database at once.
const PAGE: u32 = 1_000;
/// The timeout for the check whether a database answers and has the table.
const CONNECT: Duration = Duration::from_secs(10);
/// The timeout of a query. A page of a query that no index answers takes long.
const STATEMENT: Duration = Duration::from_mins(10);
/// The maximum by which a clock may have been set while a segment was written.
const SLACK: time::Duration = time::Duration::DAY;

/// The arguments that name the source.
#[derive(Debug, clap::Args)]
pub(super) struct Origin {
    /// Read the journal in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["database", "config"])]
    journal: Option<PathBuf>,
    /// Read `audit_logs` in this database: sqlite:… or postgres://…
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    database: Option<String>,
    /// Read the audit database of this configuration if it has one, else its journal
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Verify the whole source with the public keys in this file (PEM), print how far it is verified, and exit with 1
    /// if verification fails. Default: the keys that the configuration names
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
}

/// A source of records.
pub(super) struct Source {
    place: Place,
    /// The name of the source in messages, without secrets.
    pub(super) name: String,
    /// The trusted public keys; none if no key was named.
    keys: Vec<PublicKey>,
}

enum Place {
    Journal(PathBuf),
    Database { runtime: Runtime, table: AuditTable },
}

/// A record that matches the filter.
#[derive(Debug)]
pub(super) struct Found {
    /// The text of the record in the source, without its line feed.
    pub(super) line: String,
    /// The parsed record.
    pub(super) record: Record,
    /// The number of the record, if it is sealed.
    pub(super) seq: Option<u64>,
    /// The latest time before the clock was set back, if the clock has been set back.
    pub(super) behind: Option<OffsetDateTime>,
}

impl Found {
    /// The time at which the record counts: its own, or the latest time before the clock was set back.
    pub(super) fn counts_at(&self) -> OffsetDateTime {
        let own = self.record.timestamp;
        self.behind.map_or(own, |behind| behind.max(own))
    }
}

/// Whether to read on, or why reading failed.
pub(super) type Flow = Result<ControlFlow<()>, Failure>;

impl Origin {
    /// Opens the source. A database has to answer, and to have the audit table.
    ///
    /// # Errors
    ///
    /// Fails if the source is missing or the configuration is invalid.
    pub(super) fn open(&self) -> Result<Source, Failure> {
        let keys = read_keys(&self.key)?;
        let mut source = self.place()?;
        if !keys.is_empty() {
            source.keys = keys;
        }
        Ok(source)
    }

    fn place(&self) -> Result<Source, Failure> {
        if let Some(directory) = &self.journal {
            return Source::journal(directory.clone());
        }
        if let Some(url) = &self.database {
            return Source::database(url, None);
        }
        let file = self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        let config = Config::load(Some(file), environment())?;
        let mut source = match &config.audit.database {
            AuditDatabase::Off => Source::journal(config.audit.directory.clone())?,
            AuditDatabase::Own(url) => Source::database(url.expose(), None)?,
            AuditDatabase::Facts => {
                let password = config.facts.password_file.as_deref().map(PasswordFile::new);
                Source::database(config.facts.database.expose(), password)?
            }
        };
        source.keys = configured(&config);
        complain(format_args!("reading {}", source.name));
        Ok(source)
    }
}

impl Source {
    fn journal(directory: PathBuf) -> Result<Self, Failure> {
        let directory = folder(directory)?;
        let shown = directory.display().to_string();
        let name = format!("the journal in `{}`", printable(&shown, 500));
        Ok(Self { place: Place::Journal(directory), name, keys: Vec::new() })
    }

    fn database(url: &str, password: Option<PasswordFile>) -> Result<Self, Failure> {
        let runtime = runtime(Some(1))?;
        let table = runtime.block_on(open(url, password))?;
        let name = name_of(url);
        Ok(Self { place: Place::Database { runtime, table }, name, keys: Vec::new() })
    }

    /// Verifies the whole source with the named keys.
    ///
    /// # Errors
    ///
    /// Fails if the source cannot be read.
    pub(super) fn vouch(&self) -> Result<Vouch, Failure> {
        if self.keys.is_empty() {
            return Ok(Vouch::none());
        }
        match &self.place {
            Place::Journal(directory) => Vouch::of_journal(directory, &self.keys),
            Place::Database { runtime, table } => {
                let found = runtime.block_on(verify_table(table, &self.keys, None));
                Ok(Vouch::of_table(&found.map_err(|error| unusable(&error))?))
            }
        }
    }

    /// Gives every record that matches `filter` to `take`, oldest first, until `take` breaks. Memory is bounded.
    /// Returns the number of lines that are not records.
    ///
    /// # Errors
    ///
    /// Fails if the source cannot be read, or `take` fails.
    pub(super) fn each(
        &self,
        filter: &Filter,
        take: impl FnMut(Found) -> Flow,
    ) -> Result<u64, Failure> {
        match &self.place {
            Place::Journal(directory) => in_journal(directory, filter, take),
            Place::Database { runtime, table } => runtime.block_on(in_table(table, filter, take)),
        }
    }

    /// The timestamp of the oldest record, if any.
    ///
    /// # Errors
    ///
    /// Fails if the source cannot be read.
    pub(super) fn first(&self) -> Result<Option<OffsetDateTime>, Failure> {
        let mut first = None;
        self.each(&Filter::default(), |found| {
            first = Some(found.record.timestamp);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }
}

/// Opens the audit table at `url`, and checks that it exists.
///
/// # Errors
///
/// Fails if the database does not answer or has no audit table.
pub(super) async fn open(url: &str, password: Option<PasswordFile>) -> Result<AuditTable, Failure> {
    let table = |timeout| AuditTable::open(url, timeout).map_err(|error| unusable(&error));
    let sign_in = |table: &AuditTable| {
        let Some(file) = password.clone() else { return Ok(()) };
        // A command is short-lived: reading the password file once is enough.
        table.sign_in_with(file, &Supervisor::default()).map(drop).map_err(|error| unusable(&error))
    };
    let probe = table(CONNECT)?;
    sign_in(&probe)?;
    probe.check().await.map_err(|error| unusable(&error))?;
    let table = table(STATEMENT)?;
    sign_in(&table)?;
    Ok(table)
}

/// The failure for a database that cannot be read.
pub(super) fn unusable(error: &DatabaseError) -> Failure {
    Failure::Usage(chain(error))
}

/// The name of a database in messages, without secrets.
pub(super) fn name_of(url: &str) -> String {
    format!("the database `{}`", printable(without_secrets(url), 500))
}

/// The URL of a database without what stands before the host and after the path.
fn without_secrets(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    url.rsplit_once('@').map_or(url, |(_, place)| place)
}

async fn in_table(
    table: &AuditTable,
    filter: &Filter,
    mut take: impl FnMut(Found) -> Flow,
) -> Result<u64, Failure> {
    let mut filter = filter.to_table();
    filter.clocks_back = table.clocks_back().await.map_err(|error| unusable(&error))?;
    let (mut cursor, mut strange) = (None, 0_u64);
    loop {
        let page = table.find(&filter, cursor.as_ref(), PAGE).await;
        let page = page.map_err(|error| unusable(&error))?;
        for value in page.records {
            let (line, seq) = (value.to_string(), value.get("seq").and_then(Value::as_u64));
            let instance = value.get("instance").and_then(Value::as_str).map(ToOwned::to_owned);
            let Ok(record) = serde_json::from_value(value) else {
                strange = strange.saturating_add(1);
                continue;
            };
            let behind = behind(&filter.clocks_back, instance.as_deref(), seq);
            if take(Found { line, record, seq, behind })?.is_break() {
                return Ok(strange);
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(strange);
        }
    }
}

/// The latest time before the clock was set back, if it was set back before the record.
fn behind(all: &[ClockBack], instance: Option<&str>, seq: Option<u64>) -> Option<OffsetDateTime> {
    let (instance, seq) = (instance?, seq?);
    let earlier = all.iter().filter(|back| back.instance == instance && back.seq <= seq);
    earlier.map(|back| back.greatest).max()
}

/// Reads the matching records of a journal in the order of their times.
fn in_journal(
    directory: &Path,
    filter: &Filter,
    mut take: impl FnMut(Found) -> Flow,
) -> Result<u64, Failure> {
    let failed = |error: io::Error| unreadable(directory, &error);
    let reader = match filter.since.and_then(|since| since.checked_sub(SLACK)) {
        Some(at) => Reader::since(directory, at),
        None => Reader::open(directory),
    };
    let (mut reader, mut order, mut strange) = (reader.map_err(failed)?, Order::default(), 0_u64);
    let end = filter.until.and_then(|until| until.checked_add(SLACK));
    let mut end = End { at: end, segment: String::new() };
    while let Some(entry) = reader.read().map_err(failed)? {
        if end.is_before(entry) {
            // A clock that is set back later writes earlier times into later segments.
            if !reader.skip() {
                break;
            }
            continue;
        }
        let Some(record) = entry.record() else {
            strange = strange.saturating_add(1);
            continue;
        };
        order.passed(record.timestamp);
        if filter.fits(&record, entry.behind) {
            let line = String::from_utf8_lossy(entry.text).into_owned();
            order.put(Found { line, record, seq: entry.seq(), behind: entry.behind });
        }
        while let Some(found) = order.due() {
            if take(found)?.is_break() {
                return Ok(strange);
            }
        }
    }
    while let Some(found) = order.rest() {
        if take(found)?.is_break() {
            break;
        }
    }
    Ok(strange)
}

/// Tells which segments need not be read.
struct End {
    at: Option<OffsetDateTime>,
    segment: String,
}

impl End {
    /// Whether the segment of `entry` was begun after the end of the period.
    fn is_before(&mut self, entry: Entry<'_>) -> bool {
        if self.segment == entry.segment {
            return false;
        }
        entry.segment.clone_into(&mut self.segment);
        let began = segments::began(entry.segment);
        entry.behind.is_none() && began.zip(self.at).is_some_and(|(began, end)| began > end)
    }
}

/// The end of a command that has read everything: a failure if some lines are not records, since those may have
/// matched; not fine if verification failed, since records may have been altered.
pub(super) fn ended(source: &Source, strange: u64, vouch: &Vouch) -> Result<Done, Failure> {
    if strange == 0 {
        return Ok(if vouch.fine { Done::Fine } else { Done::NotFine });
    }
    Err(Failure::NotFine(format!(
        "{strange} of the lines in {} are no records and are not in the answer: see `cedargate audit verify`",
        source.name
    )))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        for (url, shown) in [
            ("postgres://gate:p@ss@db.example:5432/gate?password=x", "db.example:5432/gate"),
            ("postgres://db.example/gate", "postgres://db.example/gate"),
            ("sqlite:///var/lib/gate.db", "sqlite:///var/lib/gate.db"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
