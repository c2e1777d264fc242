//! One pass over the rows of a journal.

mod signed;

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::gaps::Hints;
use super::{Copied, Mark};
use crate::mark::GATE;
use crate::seal::Head;
use crate::signing::PublicKey;
use crate::table::Kept;
use crate::verify::KEPT;
use crate::verify::checkpoints::Heads;
use crate::verify::fault::{Fault, FaultKind};

/// The maximum time that records may be unsigned: a gate signs every second, and a checkpoint is delivered at once.
const UNSIGNED: Duration = Duration::minutes(2);

/// The position in a journal, and what was found so far.
pub(super) struct Pass {
    out: Copied,
    trusted: Vec<PublicKey>,
    hints: Hints,
    /// The number of the last record that was passed, present or missing.
    at: u64,
    /// The hashes that the next record may follow; empty if they are unknown.
    heads: Heads,
    /// The index of the fault of the record before, if that is not what was delivered.
    suspect: Option<usize>,
    /// Whether checkpoints contradict the rows.
    rewritten: bool,
    /// The index of the fault for the last checkpoints, if these are not signed with a trusted key.
    untrusted: Option<usize>,
    /// The number of the last checkpoint.
    number: Option<u64>,
    /// The number of good checkpoints so far.
    good: u64,
    /// The first row that has the text of its details: later ones have it, too.
    exact: Option<u64>,
    /// The times of the first and the last record that are not signed.
    unsigned: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Whether the segment before was closed: then another one has to begin.
    closed: bool,
    /// Whether the first line of the journal was met.
    started: bool,
    /// The record behind which the first voucher stands.
    era: Option<u64>,
    /// The first and the last record that cannot be verified.
    unverifiable: (u64, u64),
    /// The number of records that cannot be verified because those before them were removed by retention.
    among_removed: u64,
}

/// The place that faults give.
pub(super) fn place(instance: &str) -> String {
    format!("audit_logs, journal {instance}")
}

impl Pass {
    /// A pass over the journal `instance`. `era`: the record behind which the first voucher stands.
    pub(super) fn new(
        instance: &str,
        trusted: Vec<PublicKey>,
        hints: Hints,
        era: Option<u64>,
    ) -> Self {
        Self {
            out: Copied { instance: instance.to_owned(), ..Copied::default() },
            trusted,
            hints,
            at: 0,
            heads: Heads::of(Head::default()),
            suspect: None,
            rewritten: false,
            untrusted: None,
            number: None,
            good: 0,
            exact: None,
            unsigned: None,
            closed: false,
            started: false,
            era,
            unverifiable: (u64::MAX, 0),
            among_removed: 0,
        }
    }

    /// The number of the last record that was passed, present or missing.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, row: &Kept) {
        if row.seq <= self.at && self.out.records > 0 {
            self.fault(Some(row.seq), FaultKind::RowDoubled);
            return;
        }
        self.skip_to(row.seq.saturating_sub(1));
        self.follow(row);
        if !row.agrees {
            self.fault(Some(row.seq), FaultKind::RowChanged { column: Some("details") });
        }
        if self.out.records == 0 {
            self.out.first = row.seq;
        }
        self.exact = self.exact.or(row.exact.then_some(row.seq));
        self.at = row.seq;
        self.closed = false;
        self.out.last = row.seq;
        self.out.records = self.out.records.saturating_add(1);
        self.note_time(row);
        self.note_mark(row);
    }

    /// Checks that the row follows from what is before it.
    fn follow(&mut self, row: &Kept) {
        let Some(stated) = Head::from_hex(row.chain.as_bytes()) else {
            self.fault(Some(row.seq), FaultKind::RowChanged { column: Some("chain") });
            self.heads = Heads::default();
            return;
        };
        // The first line of the journal was not delivered, nor anything before the first voucher.
        if self.at == 0 && !self.started || self.era.is_none_or(|era| row.seq <= era) {
            self.heads = Heads::default();
        }
        if self.heads.stated.is_none() {
            self.cannot_verify(row.seq);
            self.heads = Heads::of(stated);
            return;
        }
        let line = serde_json::to_vec(&row.record).unwrap_or_default();
        let line = hashed(&line);
        let leads = |before: Option<Head>| {
            before.is_some_and(|before| {
                before.followed_by(line) == stated
                    || unpromised(row, line).is_some_and(|it| before.followed_by(&it) == stated)
            })
        };
        if leads(self.heads.stated) {
            self.suspect = None;
            self.heads = Heads::of(stated);
            return;
        }
        if leads(self.heads.computed) {
            // The row before is what was delivered, except for the hash that it states.
            self.blame_chain();
            self.heads = Heads::of(stated);
            return;
        }
        let before = self.heads.stated;
        self.heads =
            Heads { stated: Some(stated), computed: before.map(|it| it.followed_by(line)) };
        if !row.exact && self.exact.is_none() && is_ambiguous(&row.record) {
            self.cannot_verify(row.seq);
            self.heads = Heads::of(stated);
            return;
        }
        let kind = if self.closed {
            FaultKind::HeaderChanged
        } else {
            FaultKind::RowChanged { column: None }
        };
        self.suspect = Some(self.out.faults.len());
        self.fault(Some(row.seq), kind);
    }

    /// Counts a row that cannot be verified: the chain before it is unknown, so that its hash proves nothing.
    fn cannot_verify(&mut self, seq: u64) {
        if seq <= self.hints.removed_to {
            self.among_removed = self.among_removed.saturating_add(1);
            return;
        }
        self.out.unverifiable = self.out.unverifiable.saturating_add(1);
        self.unverifiable = (self.unverifiable.0.min(seq), self.unverifiable.1.max(seq));
    }

    /// Blames the chain of the row before, if something other than that row states the chain after it.
    fn clear_suspect(&mut self, said: Head) {
        if self.heads.computed == Some(said) && self.heads.stated != Some(said) {
            self.blame_chain();
        }
    }

    fn blame_chain(&mut self) {
        let suspect = self.suspect.take().and_then(|at| self.out.faults.get_mut(at));
        if let Some(Fault { kind: FaultKind::RowChanged { column }, .. }) = suspect {
            *column = Some("chain");
        }
    }

    /// Continues behind the record `seq`. Records in between are missing.
    fn skip_to(&mut self, seq: u64) {
        if seq <= self.at {
            return;
        }
        self.out.gaps.add(self.at.saturating_add(1), seq);
        self.at = seq;
        self.heads =
            self.hints.heads.get(&seq).map_or_else(Heads::default, |head| Heads::of(*head));
        (self.suspect, self.closed) = (None, false);
    }

    fn note_time(&mut self, row: &Kept) {
        let made = row.record.get("timestamp").and_then(Value::as_str);
        let made = made.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        if let Some(made) = made {
            let from = self.unsigned.map_or(made, |(from, _)| from.min(made));
            let to = self.unsigned.map_or(made, |(_, to)| to.max(made));
            self.unsigned = Some((from, to));
        }
    }

    fn note_mark(&mut self, row: &Kept) {
        let text = |name: &str| row.record.get(name).and_then(Value::as_str);
        if text("event_type") != Some(GATE) || self.out.marks.len() >= KEPT * 10 {
            return;
        }
        let details = row.record.get("details").cloned().unwrap_or_default();
        if let Some(mark) = Mark::read(text("reason").unwrap_or_default(), &details) {
            let note = mark.note().filter(|_| self.out.notes.len() < KEPT);
            self.out.notes.extend(note.map(|note| format!("record {}: {note}", row.seq)));
            self.out.marks.push((row.seq, mark));
        }
    }

    /// Ends the pass.
    pub(super) fn finish(mut self) -> Copied {
        let vouched = self.out.verified.map_or(0, |it| it.seq);
        self.out.unsigned = self.out.last.saturating_sub(vouched.min(self.out.last));
        if self.out.unverifiable > 0 {
            let ((from, to), count) = (self.unverifiable, self.out.unverifiable);
            self.out.notes.push(format!(
                "{count} of the records {from} to {to} cannot be verified: what was before them is missing, or a \
                 version has delivered them that did not deliver yet what vouches for them"
            ));
        }
        if self.among_removed > 0 {
            self.out.notes.push(format!(
                "{} records stand among those that retention has removed, and cannot be verified without these",
                self.among_removed
            ));
        }
        let span = self.unsigned.map(|(from, to)| to - from);
        if self.good > 0 && span.is_some_and(|span| span > UNSIGNED) {
            let kind = FaultKind::Unsigned { to: self.out.last };
            self.fault(Some(vouched.saturating_add(1)), kind);
        }
        self.out
    }

    fn fault(&mut self, seq: Option<u64>, kind: FaultKind) {
        if self.out.faults.len() < KEPT {
            let fault = Fault::new(seq, &place(&self.out.instance), None, kind);
            self.out.faults.push(fault);
        }
    }
}

/// The line of a row where nothing is promised about records (`audit.durability: none`), which older versions did not
/// keep.
fn unpromised(row: &Kept, line: &[u8]) -> Option<Vec<u8>> {
    if row.record.contains_key("durability") {
        return None;
    }
    let at = memchr::memmem::rfind(line, b",\"seq\":")?;
    let (before, after) = line.split_at_checked(at)?;
    Some([before, b",\"durability\":\"none\"", after].concat())
}

/// The part of a line that its hash is over.
fn hashed(line: &[u8]) -> &[u8] {
    let end = memchr::memmem::rfind(line, b",\"chain\":\"").unwrap_or(line.len());
    line.get(..end).unwrap_or(line)
}

/// Whether the order of details matters, which older versions did not keep in PostgreSQL.
fn is_ambiguous(record: &Map<String, Value>) -> bool {
    fn several(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.len() > 1 || members.values().any(several),
            Value::Array(values) => values.iter().any(several),
            _ => false,
        }
    }
    record.get("details").is_some_and(several)
}
