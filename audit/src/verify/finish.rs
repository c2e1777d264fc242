//! Checks the files beside the segments: `head`, `pruned`, the public keys.

use super::fault::{Fault, FaultKind};
use super::join::{End, Join};
use crate::checkpoint::Checkpoint;
use crate::segments::{HEAD, PRUNED, PUBLIC_KEYS};

/// The maximum number of checkpoints that `head` may be behind: the process may die between two steps.
const LAG: u64 = 2;

impl Join<'_> {
    /// Checks the files beside the segments.
    pub(super) fn finish(&mut self, ends: &[End]) {
        self.finish_pruned();
        self.finish_unsigned(ends);
        self.finish_head(ends);
        self.finish_orphans();
        self.finish_keys();
    }

    fn finish_pruned(&mut self) {
        let pruned = &self.snapshot.pruned;
        if !pruned.is_there() {
            return;
        }
        let read = pruned.read.as_ref();
        let good = read.is_some_and(|it| {
            it.checkpoint.pruned && self.is_own(&it.checkpoint) && self.is_trusted(&it.signers())
        });
        if !good {
            let fault = Fault::new(None, PRUNED, Some(1), FaultKind::PrunedChanged);
            self.fault(0, fault);
        }
    }

    /// A journal is signed before its first record is written. If nothing is signed, the checkpoints were removed.
    fn finish_unsigned(&mut self, ends: &[End]) {
        let Some(first) = ends.first().filter(|_| self.out.records > 0) else { return };
        if ends.iter().all(|end| end.lines == 0) {
            let seq = self.out.first.map(|it| it.seq.saturating_add(1));
            self.fault(0, Fault::new(seq, &first.stem, None, FaultKind::CheckpointsMissing));
        }
    }

    fn finish_head(&mut self, ends: &[End]) {
        let snapshot = self.snapshot;
        let lines = ends.iter().fold(0_u64, |sum, end| sum.saturating_add(end.lines));
        if !snapshot.head.is_there() {
            if lines > LAG {
                self.of_head(None, FaultKind::HeadMissing);
            }
            return;
        }
        let read = snapshot.head.read.as_ref();
        let place = ends.iter().position(|end| end.behind_head.is_some());
        let Some(read) = read.filter(|it| place.is_some() || self.is_trusted(&it.signers())) else {
            self.of_head(None, FaultKind::HeadChanged);
            return;
        };
        let said = &read.checkpoint;
        if !self.is_own(said) {
            self.of_head(None, FaultKind::HeadChanged);
            return;
        }
        if let Some(place) = place {
            let later = ends.iter().skip(place.saturating_add(1));
            let own = ends.get(place).and_then(|end| end.behind_head).unwrap_or_default();
            let behind = later.fold(own, |sum, end| sum.saturating_add(end.lines));
            if snapshot.still && behind > LAG {
                self.of_head(Some(said.seq), FaultKind::HeadRolledBack);
            }
            return;
        }
        self.head_elsewhere(said, ends);
    }

    /// Handles a good `head` that no segment's checkpoints contain.
    fn head_elsewhere(&mut self, said: &Checkpoint, ends: &[End]) {
        let pruned = self.snapshot.pruned.read.as_ref();
        if pruned.is_some_and(|it| it.checkpoint.seq >= said.seq) || self.is_blamed(&said.segment) {
            return;
        }
        let Some(end) = ends.iter().find(|end| end.stem == said.segment) else {
            let from = self.end.saturating_add(1).min(said.seq);
            self.orphans.retain(|(_, stem)| *stem != said.segment);
            let kind = FaultKind::SegmentMissing { to: said.seq };
            self.fault(from, Fault::new(Some(from), &said.segment, None, kind));
            return;
        };
        let kind = if end.lines == 0 {
            FaultKind::CheckpointsMissing
        } else {
            FaultKind::CheckpointMissing
        };
        self.fault(said.seq, Fault::new(Some(said.seq), &said.segment, None, kind));
    }

    fn of_head(&mut self, seq: Option<u64>, kind: FaultKind) {
        self.fault(self.end, Fault::new(seq, HEAD, Some(1), kind));
    }

    fn finish_orphans(&mut self) {
        let end = self.end;
        for (first, stem) in std::mem::take(&mut self.orphans) {
            if first > end {
                let kind = FaultKind::SegmentMissing { to: first };
                self.fault(first, Fault::new(Some(first), &stem, None, kind));
            } else {
                self.out.notes.push(format!("{stem}.checkpoints has no segment"));
            }
        }
    }

    fn finish_keys(&mut self) {
        let beside = self.snapshot.keys.clone().unwrap_or_default();
        if self.used.iter().any(|key| !beside.contains(key)) {
            self.fault(0, Fault::new(None, PUBLIC_KEYS, None, FaultKind::KeysReplaced));
        }
        let strange = beside.iter().filter(|key| !self.trusted.contains(key)).count();
        if strange > 0 {
            let note = format!(
                "{PUBLIC_KEYS} names {strange} more key{} than are trusted: compare it with the \
                 keys kept elsewhere",
                if strange == 1 { "" } else { "s" }
            );
            self.out.notes.push(note);
        }
    }
}
