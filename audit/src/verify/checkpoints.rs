//! The checkpoints of one segment, read line by line.

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use time::OffsetDateTime;

use super::fault::{Fault, FaultKind};
use super::snapshot::Extent;
use crate::checkpoint::SignedCheckpoint;
use crate::lines::{LONGEST, Line, read_line};
use crate::seal::{Head, Position};
use crate::segments;
use crate::signing::PublicKey;

/// The maximum number of key changes that are remembered per segment; more are damage.
const RUNS: usize = 1_000;

/// The statement of a checkpoint with a valid signature, of any key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated {
    pub(super) at: Position,
    pub(super) count: u64,
    pub(super) time: OffsetDateTime,
}

/// Consecutive checkpoints of the same keys.
#[derive(Debug, Clone)]
pub(super) struct KeyRun {
    /// The keys that the checkpoints name.
    pub(super) keys: Vec<PublicKey>,
    /// The keys of these with valid signatures.
    pub(super) signers: Vec<PublicKey>,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) line: u64,
    pub(super) lines: u64,
}

/// What was found in the file.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// The number of whole lines, good or not.
    pub(super) lines: u64,
    /// The farthest statement.
    pub(super) last: Option<Stated>,
    /// The position at which the segment was closed.
    pub(super) closed: Option<Position>,
    pub(super) runs: Vec<KeyRun>,
    /// How many lines follow the one that `head` repeats.
    pub(super) behind_head: Option<u64>,
    /// Whether something in the file is wrong.
    pub(super) bad: bool,
    pub(super) faults: Vec<Fault>,
}

/// Reads the checkpoints of a segment.
pub(super) struct Checkpoints<'a> {
    reader: Option<Box<dyn BufRead + Send>>,
    stem: &'a str,
    instance: Option<String>,
    head: &'a [u8],
    text: Vec<u8>,
    /// Whether the last line was faulty: the same fault in the next line is not another one.
    in_bad: bool,
    pub(super) summary: Summary,
}

impl<'a> Checkpoints<'a> {
    /// Opens the checkpoints of the segment `stem`, as far as they were there. `head` is the line to look for.
    pub(super) fn open(directory: &Path, stem: &'a str, extent: Extent, head: &'a [u8]) -> Self {
        let opened = match extent {
            Extent::None => Err(io::ErrorKind::NotFound.into()),
            Extent::All => segments::open(&segments::checkpoints(directory, stem)),
            Extent::Bytes(bytes) => segments::open(&segments::checkpoints(directory, stem))
                .map(|it| Box::new(it.take(bytes)) as Box<dyn BufRead + Send>),
        };
        let mut it = Self {
            reader: None,
            stem,
            instance: None,
            head: head.strip_suffix(b"\n").unwrap_or(head),
            text: Vec::new(),
            in_bad: false,
            summary: Summary::default(),
        };
        match opened {
            Ok(reader) => it.reader = Some(reader),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => it.damaged(&error),
        }
        it
    }

    /// Requires the checkpoints to be of this journal.
    pub(super) fn of(&mut self, instance: &str) {
        self.instance = Some(instance.to_owned());
    }

    /// The next checkpoint that is what was signed and is where it belongs.
    pub(super) fn next(&mut self) -> Option<Stated> {
        loop {
            if !self.read() {
                return None;
            }
            let stated = self.look();
            if stated.is_some() {
                return stated;
            }
        }
    }

    /// Reads to the end, verifying no more signatures than it takes to follow the keys: those of lines that name
    /// other keys than the line before, and of the last line.
    pub(super) fn skim(&mut self) {
        let (mut before, mut keys) = (Vec::new(), Vec::new());
        while self.read() {
            if named(&self.text) != keys.as_slice() {
                keys = named(&self.text).to_vec();
                let _new = self.look();
            }
            std::mem::swap(&mut self.text, &mut before);
        }
        if self.summary.lines > 0 {
            self.text = before;
            let _last = self.look();
        }
    }

    fn read(&mut self) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        match read_line(reader, &mut self.text) {
            Ok(Line::Whole(_)) => {
                self.count_line();
                true
            }
            // An unfinished line is not a checkpoint.
            Ok(Line::Torn(_) | Line::End) => {
                self.reader = None;
                false
            }
            Err(error) => {
                self.damaged(&error);
                false
            }
        }
    }

    fn count_line(&mut self) {
        self.summary.lines = self.summary.lines.saturating_add(1);
        if !self.head.is_empty() && self.text == self.head {
            self.summary.behind_head = Some(0);
        } else if let Some(behind) = &mut self.summary.behind_head {
            *behind = behind.saturating_add(1);
        }
    }

    /// Parses the line and checks it.
    fn look(&mut self) -> Option<Stated> {
        let read =
            if self.text.len() < LONGEST { SignedCheckpoint::parse(&self.text) } else { None };
        let Some(read) = read else {
            self.changed(None);
            return None;
        };
        let (signers, it) = (read.signers(), &read.checkpoint);
        if signers.is_empty() {
            self.changed(Some(it.seq));
            return None;
        }
        let other = self.instance.as_ref().is_some_and(|instance| *instance != it.instance);
        let back = self.summary.last.is_some_and(|last| it.seq < last.at.seq);
        if it.segment != self.stem || other || back {
            self.misplaced(it.seq);
            return None;
        }
        self.in_bad = false;
        let stated = Stated { at: it.position(), count: it.count, time: it.time };
        self.summary.last = Some(stated);
        if it.closed {
            self.summary.closed = Some(stated.at);
        }
        let keys = it.keys.clone();
        self.keep_keys(keys, signers, stated.at.seq);
        Some(stated)
    }

    fn keep_keys(&mut self, keys: Vec<PublicKey>, signers: Vec<PublicKey>, seq: u64) {
        let line = self.summary.lines;
        let full = self.summary.runs.len() >= RUNS;
        match self.summary.runs.last_mut() {
            Some(run) if run.keys == keys && run.signers == signers => {
                run.to = seq;
                run.lines = run.lines.saturating_add(1);
            }
            _ if full => self.changed(Some(seq)),
            _ => {
                let run = KeyRun { keys, signers, from: seq, to: seq, line, lines: 1 };
                self.summary.runs.push(run);
            }
        }
    }

    /// Reports a changed line; consecutive lines are one fault.
    fn changed(&mut self, seq: Option<u64>) {
        self.summary.bad = true;
        let last = self.summary.faults.last_mut().filter(|_| self.in_bad);
        if let Some(Fault { kind: FaultKind::CheckpointChanged { lines }, .. }) = last {
            *lines = lines.saturating_add(1);
            return;
        }
        self.fault(seq, FaultKind::CheckpointChanged { lines: 1 });
    }

    fn misplaced(&mut self, seq: u64) {
        self.summary.bad = true;
        let last = self.summary.faults.last().filter(|_| self.in_bad);
        if !last.is_some_and(|it| it.kind == FaultKind::CheckpointMisplaced) {
            self.fault(Some(seq), FaultKind::CheckpointMisplaced);
        }
    }

    fn fault(&mut self, seq: Option<u64>, kind: FaultKind) {
        self.in_bad = true;
        if self.summary.faults.len() < super::KEPT {
            let line = Some(self.summary.lines);
            self.summary.faults.push(Fault::new(seq, self.stem, line, kind));
        }
    }

    fn damaged(&mut self, error: &io::Error) {
        self.reader = None;
        self.summary.bad = true;
        let name = format!("{}.checkpoints", self.stem);
        let line = Some(self.summary.lines.saturating_add(1));
        let kind = FaultKind::Damaged { reason: error.to_string() };
        self.summary.faults.push(Fault::new(None, &name, line, kind));
    }
}

/// The keys that a line names, as they are written.
pub(super) fn named(line: &[u8]) -> &[u8] {
    let from = memchr::memmem::rfind(line, b",\"keys\":").unwrap_or_default();
    let to = memchr::memmem::rfind(line, b",\"signatures\":").unwrap_or(line.len());
    line.get(from..to).unwrap_or(line)
}

/// Up to two hashes that a line may follow: the one that the line before states, and the one that it should state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heads {
    /// The stated hash; `None` while nothing is known.
    pub(super) stated: Option<Head>,
    pub(super) computed: Option<Head>,
}

impl Heads {
    pub(super) fn of(head: Head) -> Self {
        Self { stated: Some(head), computed: None }
    }

    /// Whether `head` is one of the two, or nothing is known.
    pub(super) fn allow(&self, head: Head) -> bool {
        self.stated.is_none() || self.stated == Some(head) || self.computed == Some(head)
    }

    /// Whether a line follows one of the two, or nothing is known.
    pub(super) fn lead_to(&self, hashed: &[u8], chain: Head) -> bool {
        let follows = |before: Head| before.followed_by(hashed) == chain;
        self.stated.is_none_or(follows) || self.computed.is_some_and(follows)
    }
}
