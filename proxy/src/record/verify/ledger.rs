//! Compares a journal with what was delivered of it elsewhere: the database's table.
//!
//! A directory can be put back to what it once was, checkpoints, `head` and all. What a database
//! has beyond that was taken away; what it has otherwise was changed.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use async_trait::async_trait;

use super::fault::{Fault, FaultKind};
use crate::record::reader::Reader;
use crate::record::seal::Sealed;

/// So many are asked for at once.
const PAGE: u32 = 5_000;
/// The name that faults give as their place.
const PLACE: &str = "audit_logs";

/// Where records of a journal were delivered to.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Why it gives no answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The number of the newest record of `instance`; none if it has none.
    ///
    /// # Errors
    ///
    /// When it gives no answer.
    async fn newest(&self, instance: &str) -> Result<Option<u64>, Self::Error>;

    /// The numbers and chains of the records of `instance` behind the record `after`, in their
    /// order, `limit` at the most; fewer only at the end.
    ///
    /// # Errors
    ///
    /// When it gives no answer.
    async fn chains(
        &self,
        instance: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, Self::Error>;
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// How many records are in both, and the same.
    pub same: u64,
    /// How many records of the journal are not in the ledger: not delivered yet, or taken away
    /// there.
    pub only_here: u64,
    /// How many of the ledger are older than the journal's first: pruned here.
    pub only_there: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// A comparison cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError<E: std::error::Error + 'static> {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] io::Error),
    /// The ledger gives no answer.
    #[error("the other place gives no answer")]
    Ledger(#[source] E),
}

/// Compares the journal of `instance` in `directory` with a ledger, page by page.
///
/// # Errors
///
/// When one of the two cannot be read.
pub async fn compare<L: Ledger>(
    directory: &Path,
    instance: &str,
    ledger: &L,
) -> Result<Comparison, LedgerError<L::Error>> {
    let mut compared = Comparison::default();
    let mut pages = Pages { ledger, instance, after: 0, page: VecDeque::new(), done: false };
    // First what is there, then what is here: a record is written here before it is delivered, so
    // that one that is only there was never written while we looked.
    let newest = ledger.newest(instance).await.map_err(LedgerError::Ledger)?.unwrap_or_default();
    let mut reader = Reader::open(directory)?;
    let (mut first, mut last) = (None, 0);
    while let Some(entry) = reader.next()? {
        let Some(sealed) = Sealed::parse(entry.text) else { continue };
        let Some(seq) = sealed.seq() else { continue };
        first = first.or(Some(seq));
        last = seq.max(last);
        let there = pages.take(seq, &mut compared.only_there).await.map_err(LedgerError::Ledger)?;
        match there {
            None => compared.only_here = compared.only_here.saturating_add(1),
            Some(chain) if chain == sealed.chain.to_string() => {
                compared.same = compared.same.saturating_add(1);
            }
            Some(_) if compared.faults.len() < super::KEPT => {
                let (segment, line) = (entry.segment, Some(entry.line));
                let fault = Fault::new(Some(seq), segment, line, FaultKind::DatabaseDiffers);
                compared.faults.push(fault);
            }
            Some(_) => {}
        }
    }
    if newest > last {
        let kind = FaultKind::DatabaseAhead { to: newest };
        compared.faults.push(Fault::new(Some(last.saturating_add(1)), PLACE, None, kind));
    }
    Ok(compared)
}

/// The ledger, read along with the journal.
struct Pages<'a, L> {
    ledger: &'a L,
    instance: &'a str,
    after: u64,
    page: VecDeque<(u64, String)>,
    done: bool,
}

impl<L: Ledger> Pages<'_, L> {
    /// The chain of the record `seq`. Numbers are asked for in their order; those that are passed
    /// over are counted.
    async fn take(&mut self, seq: u64, passed: &mut u64) -> Result<Option<String>, L::Error> {
        loop {
            match self.page.front() {
                Some((number, _)) if *number > seq => return Ok(None),
                Some((number, _)) if *number == seq => {
                    return Ok(self.page.pop_front().map(|(_, chain)| chain));
                }
                Some(_) => {
                    self.page.pop_front();
                    *passed = passed.saturating_add(1);
                }
                None if self.done => return Ok(None),
                None => self.turn().await?,
            }
        }
    }

    async fn turn(&mut self) -> Result<(), L::Error> {
        let page = self.ledger.chains(self.instance, self.after, PAGE).await?;
        let last = page.last().map(|(number, _)| *number);
        // A ledger that does not go on is at its end, whatever it says.
        self.done = last.is_none_or(|last| last <= self.after);
        self.after = last.unwrap_or(self.after);
        self.page = page.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use super::*;
    use crate::record::seal::{Position, Sealer};

    struct Table(BTreeMap<u64, String>);

    #[async_trait]
    impl Ledger for Table {
        type Error = Infallible;

        async fn newest(&self, _: &str) -> Result<Option<u64>, Infallible> {
            Ok(self.0.keys().next_back().copied())
        }

        async fn chains(
            &self,
            _: &str,
            after: u64,
            _: u32,
        ) -> Result<Vec<(u64, String)>, Infallible> {
            // Pages of three, so that there are several.
            let rows = self.0.range(after + 1..).take(3);
            Ok(rows.map(|(seq, chain)| (*seq, chain.clone())).collect())
        }
    }

    /// A journal of ten records and a table that has them all.
    fn both() -> (tempfile::TempDir, Table, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let mut sealer = Sealer::new("g", Position::default(), false);
        let (mut out, mut table) = (Vec::new(), BTreeMap::new());
        sealer.seal_header(br#"{"phase":"segment","instance":"g","first":1}"#, &mut out);
        for _ in 0..10 {
            sealer.seal(br#"{"id":"a"}"#, &mut out);
            table.insert(sealer.at.seq, sealer.at.head.to_string());
        }
        (directory, Table(table), out)
    }

    fn compared(directory: &tempfile::TempDir, table: &Table, journal: &[u8]) -> Comparison {
        let file = directory.path().join("audit-00000000000000000001-a.jsonl");
        std::fs::write(file, journal).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(directory.path(), "g", table)).unwrap()
    }

    #[test]
    fn what_is_the_same_in_both_is_fine_and_the_rest_is_counted() {
        let (directory, mut table, journal) = both();
        let found = compared(&directory, &table, &journal);
        assert_eq!((found.same, found.only_here, found.faults.len()), (10, 0, 0));
        table.0.remove(&10);
        table.0.insert(0, String::new());
        let found = compared(&directory, &table, &journal);
        assert_eq!((found.same, found.only_here, found.faults.len()), (9, 1, 0));
    }

    #[test]
    fn an_end_that_was_cut_off_and_a_record_that_differs_are_found() {
        let (directory, mut table, journal) = both();
        let lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
        table.0.insert(4, "0".repeat(64));
        let found = compared(&directory, &table, &lines[..8].concat());
        assert_eq!(found.same, 6);
        let kinds: Vec<_> =
            found.faults.iter().map(|it| (it.seq, it.line, it.kind.clone())).collect();
        let ahead = (Some(8), None, FaultKind::DatabaseAhead { to: 10 });
        assert_eq!(kinds, [(Some(4), Some(5), FaultKind::DatabaseDiffers), ahead]);
    }
}
