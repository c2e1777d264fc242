//! The audit's table, to be compared with a journal.

use std::path::Path;

use async_trait::async_trait;
use policy_store::sql::{AuditTable, DatabaseError};

use super::super::{Failure, runtime};
use super::source::open;
use crate::chain::chain;
use crate::record::verify::ledger::{Comparison, Ledger, compare};

#[async_trait]
impl Ledger for AuditTable {
    type Error = DatabaseError;

    async fn newest(&self, instance: &str) -> Result<Option<u64>, DatabaseError> {
        Ok(self.position(instance).await?.map(|at| at.seq))
    }

    async fn chains(
        &self,
        instance: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, DatabaseError> {
        Self::chains(self, instance, after, limit).await
    }
}

/// Compares the journal of `instance` with the table in the database at `url`.
///
/// # Errors
///
/// When one of the two cannot be read.
pub(super) fn compare_with(
    url: &str,
    directory: &Path,
    instance: &str,
) -> Result<Comparison, Failure> {
    runtime(Some(1))?.block_on(async {
        let table = open(url, None).await?;
        let compared = compare(directory, instance, &table).await;
        compared.map_err(|error| Failure::Usage(chain(&error)))
    })
}
