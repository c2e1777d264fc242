//! Joins the results of single segments: whether each follows from the one before it, who signed, and whether the end
//! is where it was said to be.

use std::collections::BTreeMap;

use super::Verification;
use super::checkpoints::{Heads, KeyRun};
use super::fault::{Fault, FaultKind};
use super::scan::{self, Looked, Scanned};
use super::snapshot::Snapshot;
use crate::checkpoint::Checkpoint;
use crate::seal::{Head, Position};
use crate::signing::PublicKey;

/// What is known of the position before a segment.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// The segment is the first one.
    Start,
    /// The segment before is damaged, and this was reported.
    Unknown,
    /// The last record, and what may follow it.
    Known { end: u64, heads: Heads, tainted: bool },
}

/// The state of the join.
pub(super) struct Join<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) out: Verification,
    /// The faults, each with the number that it is sorted by.
    faults: Vec<(u64, Fault)>,
    pub(super) trusted: Vec<PublicKey>,
    /// The trusted keys that have signed the journal.
    pub(super) used: Vec<PublicKey>,
    before: Before,
    /// Whether the segment before ends with a recomputed chain.
    rewritten: bool,
    /// The index of the fault for the last checkpoints, if these are not signed with a trusted key.
    untrusted: Option<usize>,
    /// The number of the last record.
    pub(super) end: u64,
    pub(super) vouched: u64,
    pub(super) orphans: Vec<(u64, String)>,
}

/// Joins the results of segments, in order.
pub(super) fn join(
    snapshot: &Snapshot,
    scanned: Vec<Scanned>,
    trusted: &[PublicKey],
) -> Verification {
    let mut join = Join {
        snapshot,
        out: Verification { instance: instance(snapshot, &scanned), ..Verification::default() },
        faults: Vec::new(),
        trusted: scan::with_forerunners(trusted, &scanned),
        used: Vec::new(),
        before: Before::Start,
        rewritten: false,
        untrusted: None,
        end: 0,
        vouched: 0,
        orphans: snapshot.orphans.clone(),
    };
    let pruned = join.pruned();
    join.orphans.retain(|(first, _)| pruned.is_none_or(|pruned| *first > pruned.seq));
    let last_with_checkpoints = scanned.iter().rposition(Scanned::has_checkpoints).unwrap_or(0);
    let mut rest = scanned;
    let ends: Vec<End> = rest.iter().map(End::of).collect();
    for (index, segment) in rest.iter_mut().enumerate() {
        let next = ends.get(index.saturating_add(1)).map(|it| it.first);
        join.count(segment);
        join.segment(segment, next, index < last_with_checkpoints);
    }
    join.finish(&ends);
    let unvouched = join.end.saturating_sub(join.vouched.min(join.end));
    join.faults.sort_by_key(|(order, _)| *order);
    join.out.unvouched = unvouched;
    join.out.trusted = join.trusted;
    join.out.faults = join.faults.into_iter().map(|(_, fault)| fault).collect();
    join.out
}

/// What the last checks need of a segment.
pub(super) struct End {
    pub(super) stem: String,
    first: u64,
    pub(super) lines: u64,
    pub(super) behind_head: Option<u64>,
}

impl End {
    fn of(segment: &Scanned) -> Self {
        Self {
            stem: segment.stem.clone(),
            first: segment.first(),
            lines: segment.checkpoints.lines,
            behind_head: segment.checkpoints.behind_head,
        }
    }
}

/// The id of the journal: what most segments say, or the first among equals.
fn instance(snapshot: &Snapshot, scanned: &[Scanned]) -> Option<String> {
    let mut said: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for header in scanned.iter().filter_map(|it| it.header.as_ref()) {
        let later = usize::MAX.saturating_sub(said.len());
        let entry = said.entry(&header.instance).or_insert((0, later));
        entry.0 = entry.0.saturating_add(1);
    }
    let most = said.into_iter().max_by_key(|(_, often)| *often);
    let head = || snapshot.head.read.as_ref().map(|it| it.checkpoint.instance.clone());
    most.map(|(instance, _)| instance.to_owned()).or_else(head)
}

impl Join<'_> {
    pub(super) fn fault(&mut self, order: u64, fault: Fault) {
        self.faults.push((fault.seq.unwrap_or(order), fault));
    }

    pub(super) fn is_blamed(&self, stem: &str) -> bool {
        self.faults.iter().any(|(_, fault)| {
            let checkpoints = fault.segment.strip_suffix(".checkpoints");
            checkpoints.unwrap_or(&fault.segment) == stem
        })
    }

    /// The position in `pruned`, if any key has signed it.
    fn pruned(&self) -> Option<Position> {
        let read = self.snapshot.pruned.read.as_ref()?;
        let good =
            read.checkpoint.pruned && !read.signers().is_empty() && self.is_own(&read.checkpoint);
        good.then(|| read.checkpoint.position())
    }

    pub(super) fn is_own(&self, it: &Checkpoint) -> bool {
        self.out.instance.as_ref().is_none_or(|instance| *instance == it.instance)
    }

    fn count(&mut self, segment: &Scanned) {
        self.out.segments = self.out.segments.saturating_add(1);
        self.out.skimmed =
            self.out.skimmed.saturating_add(u64::from(segment.looked == Looked::Skimmed));
        self.out.records = self.out.records.saturating_add(segment.records);
        self.out.bytes = self.out.bytes.saturating_add(segment.bytes);
        self.out.checkpoints = self.out.checkpoints.saturating_add(segment.checkpoints.lines);
        if let Some(last) = segment.checkpoints.last {
            self.out.signed = Some(last.time);
        }
    }

    fn segment(&mut self, segment: &mut Scanned, next: Option<u64>, must_be_closed: bool) {
        if self.is_elsewhere(segment) {
            self.before = Before::Unknown;
            return;
        }
        self.follow(segment);
        self.out.notes.append(&mut segment.notes);
        self.trust(&segment.stem, &segment.checkpoints.runs);
        // The chain was recomputed from an earlier segment on, and that was reported.
        if segment.rewritten_from_start && self.rewritten {
            let first =
                segment.faults.iter().position(|it| matches!(it.kind, FaultKind::Rewritten { .. }));
            first.map(|at| segment.faults.remove(at));
        }
        let order = segment.first();
        let own = segment.faults.drain(..).chain(segment.checkpoints.faults.drain(..));
        for fault in own.collect::<Vec<_>>() {
            self.fault(order, fault);
        }
        let cut = self.look_at_end(segment, next);
        if must_be_closed && !cut {
            self.look_for_closing(segment);
        }
        self.torn(segment, next.is_none(), cut);
        self.vouched = self.vouched.max(segment.vouched.unwrap_or_default());
        self.end = self.end.max(segment.end);
        if self.out.first.is_none() {
            let head = segment.previous().unwrap_or_default();
            self.out.first = Some(Position { seq: order.saturating_sub(1), head });
        }
        let head = segment.heads.stated.unwrap_or_default();
        self.out.last = Some(Position { seq: segment.end, head });
    }

    /// Whether the file is not what its name says. Nothing else is reported of such a file.
    fn is_elsewhere(&mut self, segment: &Scanned) -> bool {
        let (stem, named) = (&segment.stem, Some(segment.named));
        if segment.looked == Looked::Vanished {
            let to = segment.promised().map_or(segment.named, |it| it.seq);
            let kind = FaultKind::SegmentMissing { to };
            self.fault(segment.named, Fault::new(named, stem, None, kind));
            return true;
        }
        let Some(header) = &segment.header else { return false };
        if self.out.instance.as_ref().is_some_and(|instance| *instance != header.instance) {
            let kind = FaultKind::OtherInstance { instance: header.instance.clone() };
            self.fault(segment.named, Fault::new(named, stem, Some(1), kind));
            return true;
        }
        if header.first != segment.named {
            let kind = FaultKind::Misnamed { says: header.first };
            self.fault(segment.named, Fault::new(named, stem, Some(1), kind));
            return true;
        }
        false
    }

    /// Checks that the segment follows from what is before it.
    fn follow(&mut self, segment: &Scanned) {
        let (stem, first) = (segment.stem.as_str(), segment.first());
        let (end, heads, tainted) = match self.before {
            Before::Unknown => return,
            Before::Known { end, heads, tainted } => (end, heads, tainted),
            Before::Start => match self.pruned() {
                // Not all of the pruned segments are removed yet.
                Some(pruned) if first <= pruned.seq => return,
                Some(pruned) => (pruned.seq, pruned.into(), false),
                None => (0, Heads::of(Head::default()), false),
            },
        };
        let due = end.saturating_add(1);
        if first > due {
            let to = first.saturating_sub(1);
            let gone = self.orphans.iter().position(|(it, _)| (due..=to).contains(it));
            let gone = gone.map(|at| self.orphans.remove(at).1);
            self.orphans.retain(|(it, _)| !(due..=to).contains(it));
            let name = gone.unwrap_or_else(|| stem.to_owned());
            let line = (name == stem).then_some(1);
            let kind = FaultKind::SegmentMissing { to };
            self.fault(due, Fault::new(Some(due), &name, line, kind));
        } else if first < due && !tainted {
            let kind = FaultKind::Doubled { to: end };
            self.fault(first, Fault::new(Some(first), stem, Some(1), kind));
        } else if !tainted && segment.previous().is_some_and(|previous| !heads.allow(previous)) {
            self.fault(first, Fault::new(Some(first), stem, Some(1), FaultKind::Detached));
        }
    }

    /// Checks that the segment ends where it was said to end, and notes what is known behind it. Returns whether its
    /// end is missing.
    fn look_at_end(&mut self, segment: &mut Scanned, next: Option<u64>) -> bool {
        if segment.looked == Looked::Skimmed {
            self.rewritten = false;
            self.before = segment.checkpoints.closed.map_or(Before::Unknown, |it| Before::Known {
                end: it.seq,
                heads: it.into(),
                tainted: segment.checkpoints.bad || self.untrusted.is_some(),
            });
            return false;
        }
        let from = segment.end.saturating_add(1);
        let gone = self.promised(segment).filter(|it| it.seq > segment.end);
        let bad = segment.checkpoints.bad || self.untrusted.is_some();
        self.rewritten = segment.rewritten;
        let closed = segment.checkpoints.closed;
        if segment.unreadable_end && closed.is_some_and(|it| it.seq == segment.end) {
            segment.unreadable_end = false;
            self.put_in(&segment.stem, from);
        }
        if segment.looked == Looked::Part || segment.unreadable_end || gone.is_some() {
            let to = gone.map_or(segment.end, |it| it.seq);
            if segment.unreadable_end {
                self.stretch(&segment.stem, from, to);
            } else if segment.looked != Looked::Part {
                let fault = Fault::new(Some(from), &segment.stem, None, FaultKind::Cut { to });
                self.fault(from, fault);
            }
            self.before = gone.map_or(Before::Unknown, |it| Before::Known {
                end: it.seq,
                heads: it.into(),
                tainted: bad,
            });
            return true;
        }
        let beyond = closed.filter(|it| it.seq < segment.end && !segment.rewritten);
        if let Some(closed) = beyond {
            let seq = closed.seq.saturating_add(1);
            let fault = Fault::new(Some(seq), &segment.stem, None, FaultKind::Appended);
            self.fault(seq, fault);
            self.before = Before::Known { end: closed.seq, heads: closed.into(), tainted: bad };
            return false;
        }
        // The segment is neither closed nor as long as the next one says: it is an older copy, checkpoints and all.
        if let Some(next) = next.filter(|next| closed.is_none() && *next > from) {
            let kind = FaultKind::Cut { to: next.saturating_sub(1) };
            self.fault(from, Fault::new(Some(from), &segment.stem, None, kind));
            self.before = Before::Unknown;
            return true;
        }
        let tainted = bad || segment.rewritten;
        self.before = Before::Known { end: segment.end, heads: segment.heads, tainted };
        false
    }

    /// The last record of a segment, as its checkpoints and `head` say.
    fn promised(&self, segment: &Scanned) -> Option<Position> {
        let said = segment.promised();
        let head = self.snapshot.head.read.as_ref();
        let head =
            head.filter(|it| it.checkpoint.segment == segment.stem && !it.signers().is_empty());
        let head = head.map(|it| it.checkpoint.position());
        head.filter(|head| said.is_none_or(|said| head.seq > said.seq)).or(said)
    }

    /// Notes that the unreadable lines at the end were put in: the segment was closed before them.
    fn put_in(&mut self, stem: &str, from: u64) {
        for (_, fault) in &mut self.faults {
            if let FaultKind::Unreadable { lines, .. } = fault.kind
                && (fault.segment == stem && fault.seq == Some(from))
            {
                fault.kind = FaultKind::Foreign { lines };
            }
        }
    }

    /// Notes that the unreadable lines at the end were all records up to `last`.
    fn stretch(&mut self, stem: &str, from: u64, last: u64) {
        let found =
            self.faults.iter_mut().find(|(_, it)| it.segment == stem && it.seq == Some(from));
        if let Some((_, Fault { kind: FaultKind::Unreadable { to, .. }, .. })) = found {
            *to = last.max(*to);
        }
    }

    fn look_for_closing(&mut self, segment: &Scanned) {
        let summary = &segment.checkpoints;
        if summary.closed.is_some() || summary.bad {
            return;
        }
        let (seq, kind) = if summary.lines == 0 {
            (segment.first(), FaultKind::CheckpointsMissing)
        } else {
            let last = segment.promised().filter(|_| segment.looked == Looked::Skimmed);
            (last.map_or(segment.end, |it| it.seq), FaultKind::ClosingMissing)
        };
        self.fault(seq, Fault::new(Some(seq), &segment.stem, None, kind));
    }

    /// Handles an unfinished line: in the segment that is being written it is not a line yet.
    fn torn(&mut self, segment: &Scanned, last: bool, cut: bool) {
        let Some(bytes) = segment.torn else { return };
        if last && segment.checkpoints.closed.is_none() {
            let note = format!(
                "the last line of {}.jsonl is not finished ({bytes} bytes): it was being written",
                segment.stem
            );
            self.out.notes.push(note);
        } else if !cut {
            let seq = segment.end.saturating_add(1);
            let kind = FaultKind::Foreign { lines: 1 };
            self.fault(seq, Fault::new(Some(seq), &segment.stem, None, kind));
        }
    }

    /// Follows the keys. Checkpoints without a trusted signature are one fault, as long as there is no other
    /// checkpoint between them.
    fn trust(&mut self, stem: &str, runs: &[KeyRun]) {
        for run in runs {
            if run.signers.iter().any(|key| self.trusted.contains(key)) {
                self.untrusted = None;
                for key in &run.keys {
                    if !self.trusted.contains(key) {
                        self.trusted.push(*key);
                    }
                }
                for key in run.signers.iter().filter(|key| self.trusted.contains(key)) {
                    if !self.used.contains(key) {
                        self.used.push(*key);
                    }
                }
                continue;
            }
            let open = self.untrusted.and_then(|at| self.faults.get_mut(at));
            if let Some((_, Fault { kind, .. })) = open
                && let FaultKind::CheckpointUntrusted { to, lines } = kind
            {
                *to = run.to;
                *lines = lines.saturating_add(run.lines);
                continue;
            }
            self.untrusted = Some(self.faults.len());
            let kind = FaultKind::CheckpointUntrusted { to: run.to, lines: run.lines };
            self.fault(run.from, Fault::new(Some(run.from), stem, Some(run.line), kind));
        }
    }

    /// Whether one of the signers is a key that is trusted at the end.
    pub(super) fn is_trusted(&self, signers: &[PublicKey]) -> bool {
        signers.iter().any(|key| self.trusted.contains(key))
    }
}
