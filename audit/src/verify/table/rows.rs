//! The rows of a journal in order, page by page.

use std::collections::VecDeque;

use database::DatabaseError;

use crate::AuditTable;
use crate::table::{After, Kept, Voucher};

/// The maximum number of records in a page: a megabyte or two.
const RECORDS: u32 = 2_000;
/// The maximum number of lines in a page.
const LINES: u32 = 2_000;

/// The records of a journal.
pub(in crate::verify) struct Records<'a> {
    table: &'a AuditTable,
    instance: &'a str,
    after: u64,
    page: VecDeque<Kept>,
}

impl<'a> Records<'a> {
    pub(in crate::verify) fn of(table: &'a AuditTable, instance: &'a str) -> Self {
        Self { table, instance, after: 0, page: VecDeque::new() }
    }

    /// The next record; `None` if there is none now.
    pub(in crate::verify) async fn next(&mut self) -> Result<Option<Kept>, DatabaseError> {
        if self.page.is_empty() {
            self.page = self.table.kept(self.instance, self.after, RECORDS).await?.into();
            if let Some(last) = self.page.back() {
                self.after = last.seq.max(self.after);
            }
        }
        Ok(self.page.pop_front())
    }
}

/// What vouches for the records of a journal.
pub(super) struct Vouchers<'a> {
    table: &'a AuditTable,
    instance: &'a str,
    after: Option<After>,
    page: VecDeque<Voucher>,
}

impl<'a> Vouchers<'a> {
    pub(super) fn of(table: &'a AuditTable, instance: &'a str) -> Self {
        Self { table, instance, after: None, page: VecDeque::new() }
    }

    /// The record behind which the next voucher stands.
    pub(super) async fn peek(&mut self) -> Result<Option<u64>, DatabaseError> {
        if self.page.is_empty() {
            let page = self.table.vouchers(self.instance, self.after.as_ref(), LINES).await?;
            if let Some(last) = page.last() {
                self.after = Some((last.seq, last.number, last.digest.clone()));
            }
            self.page = page.into();
        }
        Ok(self.page.front().map(|it| it.seq))
    }

    /// All vouchers behind the next record that has any, if that record is before `seq`.
    pub(super) async fn before(&mut self, seq: u64) -> Result<Option<Vec<Voucher>>, DatabaseError> {
        let Some(at) = self.peek().await?.filter(|at| *at < seq) else { return Ok(None) };
        let mut group = Vec::new();
        while self.peek().await? == Some(at) {
            group.extend(self.page.pop_front());
        }
        Ok(Some(group))
    }
}
