//! What vouches for the rows: first lines of segments, checkpoints.

use super::Pass;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::lines::Header;
use crate::seal::Sealed;
use crate::signing::PublicKey;
use crate::table::Voucher;
use crate::verify::checkpoints::Heads;
use crate::verify::fault::{Fault, FaultKind};
use crate::verify::table::Vouched;
use crate::verify::table::keys::is_checkpoint;

impl Pass {
    /// Takes what stands behind one record: first lines of segments, checkpoints.
    pub(in crate::verify::table) fn vouched(&mut self, group: Vec<Voucher>) {
        let Some(seq) = group.first().map(|it| it.seq) else { return };
        self.skip_to(seq);
        let (signed, lines): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|it| is_checkpoint(it.line.as_bytes()));
        let behind = self.begin_segments(seq, &lines);
        for line in &signed {
            self.checkpoint(line, &behind);
        }
    }

    /// Follows the chain over the first lines of segments that begin here, in whatever order they come. Returns what
    /// a checkpoint may state: the chain before and after each line.
    fn begin_segments(&mut self, seq: u64, lines: &[Voucher]) -> Vec<Heads> {
        let mut behind = vec![self.heads];
        let read = |it: &Voucher| {
            let header: Header = serde_json::from_str(&it.line).ok()?;
            let sealed = Sealed::parse(it.line.as_bytes())?;
            let computed = header.previous.followed_by(sealed.hashed);
            let own = header.first.saturating_sub(1) == seq && header.instance == self.out.instance;
            (own && computed == sealed.chain).then_some((header.previous, computed))
        };
        let mut left: Vec<_> = lines.iter().map(read).collect();
        let wrong = left.iter().any(Option::is_none);
        left.retain(Option::is_some);
        while let Some(next) = left.iter().flatten().position(|(it, _)| self.heads.allow(*it)) {
            if let Some((previous, after)) = left.remove(next) {
                self.clear_suspect(previous);
                behind.extend([Heads::of(previous), Heads::of(after)]);
                self.heads = Heads::of(after);
                (self.closed, self.started) = (false, true);
            }
        }
        if wrong || !left.is_empty() {
            self.fault(Some(seq.saturating_add(1)), FaultKind::HeaderChanged);
        }
        behind
    }

    fn checkpoint(&mut self, line: &Voucher, behind: &[Heads]) {
        self.out.checkpoints = self.out.checkpoints.saturating_add(1);
        let read = SignedCheckpoint::parse(line.line.as_bytes());
        let Some(read) = read else {
            self.fault(Some(line.seq), FaultKind::CheckpointChanged { lines: 1 });
            return;
        };
        let (signers, said) = (read.signers(), &read.checkpoint);
        if signers.is_empty() {
            self.fault(Some(line.seq), FaultKind::CheckpointChanged { lines: 1 });
            return;
        }
        let own = said.instance == self.out.instance && said.seq == line.seq;
        if !own || said.number.unwrap_or_default() != line.number {
            self.fault(Some(line.seq), FaultKind::CheckpointMisplaced);
            return;
        }
        let Some(key) = signers.iter().find(|key| self.trusted.contains(key)).copied() else {
            self.distrust(said.seq);
            return;
        };
        self.untrusted = None;
        self.count(said);
        self.closed |= said.closed;
        self.out.gaps.signed(said.seq, said.time, self.good > 0);
        self.good = self.good.saturating_add(1);
        self.judge(said, key, behind);
    }

    /// Reports checkpoints without a trusted signature: one fault, as long as there is no other checkpoint between
    /// them.
    fn distrust(&mut self, seq: u64) {
        let open = self.untrusted.and_then(|at| self.out.faults.get_mut(at));
        if let Some(Fault { kind: FaultKind::CheckpointUntrusted { to, lines }, .. }) = open {
            (*to, *lines) = (seq, lines.saturating_add(1));
            return;
        }
        self.untrusted = Some(self.out.faults.len());
        self.fault(Some(seq), FaultKind::CheckpointUntrusted { to: seq, lines: 1 });
    }

    /// Checks the number of a checkpoint: a number that is skipped was taken out.
    fn count(&mut self, said: &Checkpoint) {
        let Some(number) = said.number else {
            self.number.get_or_insert(0);
            return;
        };
        let first = if self.hints.begun { number } else { 1 };
        let due = self.number.map_or(first, |last| last.saturating_add(1));
        if number > due {
            let kind = FaultKind::CheckpointsGone { from: due, last: number.saturating_sub(1) };
            self.fault(Some(said.seq), kind);
        }
        self.number = self.number.max(Some(number));
    }

    fn judge(&mut self, said: &Checkpoint, key: PublicKey, behind: &[Heads]) {
        if behind.iter().all(|heads| heads.stated.is_none()) {
            return;
        }
        let is = |heads: &Heads| heads.stated.is_some() && heads.allow(said.head);
        if behind.iter().any(is) {
            self.clear_suspect(said.head);
            self.rewritten = false;
            self.unsigned = None;
            self.out.verified = Some(Vouched { seq: said.seq, key, time: said.time });
            return;
        }
        if !self.rewritten {
            let from = self.out.verified.map_or(self.out.first, |it| it.seq.saturating_add(1));
            let kind = FaultKind::Rewritten { to: said.seq };
            self.fault(Some(from.min(said.seq)), kind);
        }
        self.rewritten = true;
    }
}
