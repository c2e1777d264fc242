//! Checks the lines of one segment, together with its checkpoints.

use super::checkpoints::{Checkpoints, Heads, Stated};
use super::fault::{Fault, FaultKind};
use super::mark::Mark;
use super::runs::Runs;
use crate::lines::{Header, LONGEST};
use crate::seal::{Head, Position, Sealed};

/// Lines that are not records, until it is known what stands behind them.
#[derive(Debug, Clone, Copy)]
struct Unreadable {
    line: u64,
    lines: u64,
}

/// The position in a segment, and what was found so far.
pub(super) struct Walk<'a> {
    stem: &'a str,
    pub(super) checkpoints: Checkpoints<'a>,
    /// The next checkpoint to be met.
    due: Option<Stated>,
    /// The position in `head`, if `head` is about this segment.
    head: Option<Position>,
    pub(super) header: Option<Header>,
    /// The number of the first record.
    pub(super) first: u64,
    at: u64,
    pub(super) heads: Heads,
    line: u64,
    pub(super) records: u64,
    pub(super) runs: Runs,
    unreadable: Option<Unreadable>,
    carriage_returns: Option<Unreadable>,
    strangers: bool,
    /// Whether the last checkpoint that was met is not about this chain.
    pub(super) rewritten: bool,
    /// Whether this was so before any checkpoint fitted.
    pub(super) rewritten_from_start: bool,
    /// The last record that a checkpoint vouches for.
    pub(super) vouched: Option<u64>,
    /// Notes about marks.
    pub(super) notes: Vec<String>,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    /// A walk over the segment `stem`, whose name says that it begins with the record `first`.
    pub(super) fn new(
        stem: &'a str,
        first: u64,
        checkpoints: Checkpoints<'a>,
        head: Option<Position>,
    ) -> Self {
        Self {
            stem,
            checkpoints,
            due: None,
            head,
            header: None,
            first,
            at: first.saturating_sub(1),
            heads: Heads::default(),
            line: 0,
            records: 0,
            runs: Runs::default(),
            unreadable: None,
            carriage_returns: None,
            strangers: false,
            rewritten: false,
            rewritten_from_start: false,
            vouched: None,
            notes: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Takes the next line, without its line feed. `length` is its length in the file.
    pub(super) fn step(&mut self, text: &[u8], length: u64) {
        self.line = self.line.saturating_add(1);
        let text = self.without_return(text);
        let text = if length > LONGEST as u64 { &[] } else { text };
        if self.line == 1 && self.begin(text) {
            return;
        }
        let sealed = Sealed::parse(text);
        let parts = sealed.and_then(|it| Some((it, it.seq()?, it.instance()?)));
        let Some((sealed, seq, instance)) = parts else {
            self.unreadable();
            return;
        };
        let stranger = self.is_stranger(instance, seq);
        self.record(sealed, seq, stranger);
    }

    /// Takes the first line. Returns `false` if it is a record.
    fn begin(&mut self, text: &[u8]) -> bool {
        let sealed = Sealed::parse(text);
        let header: Option<Header> = sealed.and_then(|_| serde_json::from_slice(text).ok());
        let header = header.filter(|it| it.first > 0);
        let is_record = sealed.is_some_and(|it| it.seq().is_some());
        if let (Some(sealed), Some(header), false) = (sealed, header, is_record) {
            let computed = header.previous.followed_by(sealed.hashed);
            self.heads = Heads { stated: Some(sealed.chain), computed: Some(computed) };
            if computed == sealed.chain {
                self.first = header.first;
                self.at = header.first.saturating_sub(1);
                self.checkpoints.of(&header.instance);
                self.header = Some(header);
            } else {
                self.fault(Some(self.first), 1, FaultKind::Header);
            }
        } else {
            self.fault(Some(self.first), 1, FaultKind::Header);
        }
        self.due = self.checkpoints.next();
        self.meet();
        !is_record
    }

    fn record(&mut self, sealed: Sealed<'_>, mut seq: u64, stranger: bool) {
        self.records = self.records.saturating_add(1);
        if let Some(note) = Mark::of_line(sealed.hashed).and_then(|mark| mark.note())
            && self.notes.len() < super::KEPT
        {
            self.notes.push(format!("record {seq}: {note}"));
        }
        let due = self.at.saturating_add(1);
        let follows = self.heads.lead_to(sealed.hashed, sealed.chain);
        if seq != due && self.renumbered(sealed, seq, due) {
            let kind = FaultKind::Renumbered { says: seq };
            self.fault(Some(due), self.line, kind);
            seq = due;
        } else if let Some(gap) = self.unreadable.take() {
            self.close_gap(gap, seq, due, follows);
        } else if seq == due && !follows && !stranger {
            self.fault(Some(seq), self.line, FaultKind::Changed);
        }
        let computed = self.heads.stated.filter(|_| seq == due && !follows);
        let computed = computed.map(|before| before.followed_by(sealed.hashed));
        let goes_on = seq == self.at.saturating_add(1) && !self.runs.is_empty();
        self.at = seq;
        self.heads = Heads { stated: Some(sealed.chain), computed };
        if goes_on {
            self.runs.go_on(seq, self.heads);
        } else {
            self.runs.begin(seq, self.line, self.heads);
        }
        self.meet();
    }

    /// Whether the record is the one that is due, except for its number.
    fn renumbered(&self, sealed: Sealed<'_>, seq: u64, due: u64) -> bool {
        let digits = seq.to_string();
        let Some(before) = sealed.hashed.strip_suffix(digits.as_bytes()) else { return false };
        let meant = [before, due.to_string().as_bytes()].concat();
        self.heads.stated.is_some() && self.heads.lead_to(&meant, sealed.chain)
    }

    /// Judges unreadable lines that are followed by a record: they were some of its predecessors, or a piece of it,
    /// or were put in.
    fn close_gap(&mut self, gap: Unreadable, seq: u64, due: u64, follows: bool) {
        let lines = gap.lines;
        if seq > due {
            let kind = FaultKind::Unreadable { to: seq.saturating_sub(1), lines };
            self.fault(Some(due), gap.line, kind);
            if self.runs.is_empty() {
                self.runs.begin(due, gap.line, Heads::default());
            }
            // Nothing else is missing.
            self.at = seq.saturating_sub(1);
        } else if seq == due && !follows {
            self.fault(Some(due), gap.line, FaultKind::Unreadable { to: due, lines });
        } else {
            self.fault(Some(due), gap.line, FaultKind::Foreign { lines });
        }
    }

    fn unreadable(&mut self) {
        let line = self.line;
        let gap = self.unreadable.get_or_insert(Unreadable { line, lines: 0 });
        gap.lines = gap.lines.saturating_add(1);
    }

    fn without_return<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let Some(rest) = text.strip_suffix(b"\r") else { return text };
        let line = self.line;
        let seen = self.carriage_returns.get_or_insert(Unreadable { line, lines: 0 });
        seen.lines = seen.lines.saturating_add(1);
        rest
    }

    /// Whether the record is of another journal, which is reported once.
    fn is_stranger(&mut self, found: &str, seq: u64) -> bool {
        if self.header.as_ref().is_none_or(|header| header.instance == found) {
            return false;
        }
        if !self.strangers {
            self.strangers = true;
            let kind = FaultKind::OtherInstance { instance: found.to_owned() };
            self.fault(Some(seq), self.line, kind);
        }
        true
    }

    /// Compares the chain with the checkpoints that are about the record which was just read.
    fn meet(&mut self) {
        while let Some(due) = self.due.filter(|due| due.at.seq <= self.at) {
            if due.at.seq == self.at {
                let count = self.at.saturating_sub(self.first.saturating_sub(1));
                self.judge(due.at, due.count == count);
            }
            self.due = self.checkpoints.next();
        }
        if let Some(head) = self.head.filter(|head| head.seq == self.at) {
            // The line of `head` is in the checkpoints, too: one fault is enough.
            if !self.rewritten {
                self.judge(head, true);
            }
        }
    }

    fn judge(&mut self, stated: Position, counted: bool) {
        let before_records = self.runs.is_empty();
        let begun =
            self.header.as_ref().is_some_and(|it| before_records && it.previous == stated.head);
        if (self.heads.allow(stated.head) || begun) && counted {
            self.rewritten = false;
            self.vouched = Some(stated.seq);
            return;
        }
        if !self.rewritten {
            let from = self.vouched.map_or(self.first, |last| last.saturating_add(1));
            self.rewritten_from_start |= self.vouched.is_none();
            let from = from.min(stated.seq);
            self.fault(Some(from), self.line, FaultKind::Rewritten { to: stated.seq });
        }
        self.rewritten = true;
    }

    /// Ends the walk. Returns whether the last lines were not records.
    pub(super) fn end(&mut self) -> bool {
        while self.checkpoints.next().is_some() {}
        if let Some(seen) = self.carriage_returns {
            let kind = FaultKind::LineEnds { lines: seen.lines };
            self.fault(Some(self.first), seen.line, kind);
        }
        let mut from_runs = self.runs.faults(self.stem, self.first);
        self.faults.append(&mut from_runs);
        let Some(gap) = self.unreadable.take() else { return false };
        let due = self.last().saturating_add(1);
        self.fault(Some(due), gap.line, FaultKind::Unreadable { to: due, lines: gap.lines });
        true
    }

    /// The number of the last record.
    pub(super) fn last(&self) -> u64 {
        self.runs.end().map_or(self.first.saturating_sub(1), |run| run.to)
    }

    /// The hashes that a line behind the last record may follow.
    pub(super) fn end_heads(&self) -> Heads {
        self.runs.end().map_or(self.heads, |run| run.heads)
    }

    fn fault(&mut self, seq: Option<u64>, line: u64, kind: FaultKind) {
        if self.faults.len() < super::KEPT {
            self.faults.push(Fault::new(seq, self.stem, Some(line), kind));
        }
    }
}

impl From<Position> for Heads {
    fn from(at: Position) -> Self {
        let head: Head = at.head;
        Self::of(head)
    }
}
