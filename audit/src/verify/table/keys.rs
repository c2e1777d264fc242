//! The keys that may sign: those that are trusted, those that they vouch for, and those that were in use before them.

use database::DatabaseError;

use super::rows::Vouchers;
use crate::AuditTable;
use crate::checkpoint::SignedCheckpoint;
use crate::signing::PublicKey;
use crate::verify::checkpoints::named;

/// The maximum number of key changes that are remembered; no gate makes more.
const CHANGES: usize = 10_000;

/// Consecutive checkpoints of the same keys.
struct Run {
    named: Vec<PublicKey>,
    signers: Vec<PublicKey>,
}

/// The trusted keys of the journal of `instance`. A key that has signed a checkpoint together with a trusted one is
/// trusted, before and after.
pub(super) async fn trusted(
    table: &AuditTable,
    instance: &str,
    trusted: &[PublicKey],
) -> Result<Vec<PublicKey>, DatabaseError> {
    let mut lines = Vouchers::of(table, instance);
    let (mut runs, mut last) = (Vec::new(), Vec::new());
    while let Some(group) = lines.before(u64::MAX).await? {
        for line in &group {
            let line = line.line.as_bytes();
            if !is_checkpoint(line) || named(line) == last.as_slice() || runs.len() >= CHANGES {
                continue;
            }
            last = named(line).to_vec();
            let Some(read) = SignedCheckpoint::parse(line) else { continue };
            let signers = read.signers();
            runs.push(Run { named: read.checkpoint.keys, signers });
        }
    }
    let mut all = trusted.to_vec();
    for run in runs.iter().rev() {
        if run.signers.iter().any(|key| all.contains(key)) {
            add(&mut all, &run.signers);
        }
    }
    for run in &runs {
        if run.signers.iter().any(|key| all.contains(key)) {
            add(&mut all, &run.named);
        }
    }
    Ok(all)
}

/// Whether a line is a checkpoint, as opposed to the first line of a segment.
pub(super) fn is_checkpoint(line: &[u8]) -> bool {
    memchr::memmem::find(line, b",\"signatures\":").is_some()
}

fn add(all: &mut Vec<PublicKey>, more: &[PublicKey]) {
    for key in more {
        if !all.contains(key) {
            all.push(*key);
        }
    }
}
