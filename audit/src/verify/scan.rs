//! Checks one segment on its own: its header says what it follows, so that all segments can be checked at the same
//! time.

use std::io;
use std::path::Path;

use super::checkpoints::{Checkpoints, Heads, Summary};
use super::fault::{Fault, FaultKind};
use super::snapshot::View;
use super::walk::Walk;
use crate::checkpoint::SignedCheckpoint;
use crate::lines::{Header, Line, read_line};
use crate::seal::{Head, Position, Sealed};
use crate::signing::PublicKey;

/// The result of checking one segment.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) stem: String,
    /// The number of the first record, as the name says.
    pub(super) named: u64,
    /// The first line, if it is what was written.
    pub(super) header: Option<Header>,
    /// The number of the last record.
    pub(super) end: u64,
    pub(super) heads: Heads,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) checkpoints: Summary,
    pub(super) faults: Vec<Fault>,
    /// The length of an unfinished line at the end.
    pub(super) torn: Option<u64>,
    pub(super) looked: Looked,
    /// Whether its last lines are not records.
    pub(super) unreadable_end: bool,
    pub(super) rewritten: bool,
    pub(super) rewritten_from_start: bool,
    pub(super) vouched: Option<u64>,
    /// Notes about marks.
    pub(super) notes: Vec<String>,
}

/// How much of a segment was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// All of it.
    Whole,
    /// Its first line and its checkpoints, which was enough.
    Skimmed,
    /// Only a part: the rest could not be read.
    Part,
    /// Nothing: the segment was removed meanwhile.
    Vanished,
}

/// The content of `head`.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLine<'a> {
    pub(super) line: &'a [u8],
    pub(super) read: Option<&'a SignedCheckpoint>,
}

impl HeadLine<'_> {
    fn of(&self, stem: &str) -> Option<Position> {
        let read = self.read.filter(|it| it.checkpoint.segment == stem)?;
        (!read.signers().is_empty()).then(|| read.checkpoint.position())
    }
}

/// Checks every line of a segment.
pub(super) fn scan(directory: &Path, view: &View, head: HeadLine<'_>) -> Scanned {
    let stem = view.file.stem.as_str();
    let checkpoints = Checkpoints::open(directory, stem, view.checkpoints, head.line);
    let mut walk = Walk::new(stem, view.file.first, checkpoints, head.of(stem));
    let mut reader = match view.file.open() {
        Ok(reader) => reader,
        Err(error) => return unopened(view, walk.checkpoints.summary, &error),
    };
    let (mut text, mut torn, mut broken) = (Vec::new(), None, None);
    loop {
        match read_line(&mut reader, &mut text) {
            Ok(Line::Whole(length)) => walk.step(&text, length),
            Ok(Line::Torn(length)) => torn = Some(length),
            Ok(Line::End) => break,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let unreadable_end = walk.end();
    let end = walk.last();
    if let Some(error) = &broken {
        // What was unpacked before the error may be wrong already: it is one fault, where that begins.
        let seq = walk.faults.iter().filter_map(|it| it.seq).min();
        let seq = seq.unwrap_or(u64::MAX).min(end.saturating_add(1));
        let kind = FaultKind::Damaged { reason: error.to_string() };
        walk.faults = vec![Fault::new(Some(seq), stem, None, kind)];
    }
    let heads = walk.end_heads();
    Scanned {
        stem: stem.to_owned(),
        named: view.file.first,
        end,
        heads,
        records: walk.records,
        bytes: view.file.bytes,
        torn,
        looked: if broken.is_some() { Looked::Part } else { Looked::Whole },
        unreadable_end,
        rewritten: walk.rewritten,
        rewritten_from_start: walk.rewritten_from_start,
        vouched: walk.vouched,
        notes: walk.notes,
        header: walk.header,
        checkpoints: walk.checkpoints.summary,
        faults: walk.faults,
    }
}

/// Checks the first line of a segment and its checkpoints, and accepts what was signed when it was closed.
pub(super) fn skim(directory: &Path, view: &View, head: HeadLine<'_>) -> Scanned {
    let stem = view.file.stem.as_str();
    let mut checkpoints = Checkpoints::open(directory, stem, view.checkpoints, head.line);
    checkpoints.skim();
    let summary = checkpoints.summary;
    let mut text = Vec::new();
    let read = view.file.open().and_then(|mut reader| read_line(&mut reader, &mut text));
    if let Err(error) = read {
        return unopened(view, summary, &error);
    }
    let mut scanned = blank(view, summary);
    let header = Sealed::parse(&text).and_then(|it| {
        let header: Header = serde_json::from_slice(&text).ok()?;
        (header.previous.followed_by(it.hashed) == it.chain).then_some(header)
    });
    if header.is_none() {
        let first = Some(view.file.first);
        scanned.faults.push(Fault::new(first, stem, Some(1), FaultKind::Header));
    }
    scanned.header = header;
    let end = scanned.checkpoints.closed;
    if let Some(end) = end {
        (scanned.end, scanned.heads) = (end.seq, end.into());
        scanned.vouched = Some(end.seq);
        scanned.records = end.seq.saturating_sub(view.file.first.saturating_sub(1));
    }
    scanned
}

fn unopened(view: &View, summary: Summary, error: &io::Error) -> Scanned {
    let mut scanned = blank(view, summary);
    scanned.looked = Looked::Part;
    if error.kind() == io::ErrorKind::NotFound {
        scanned.looked = Looked::Vanished;
    } else {
        let kind = FaultKind::Damaged { reason: error.to_string() };
        let first = Some(view.file.first);
        scanned.faults.push(Fault::new(first, &view.file.stem, None, kind));
    }
    scanned
}

fn blank(view: &View, checkpoints: Summary) -> Scanned {
    Scanned {
        stem: view.file.stem.clone(),
        named: view.file.first,
        header: None,
        end: view.file.first.saturating_sub(1),
        heads: Heads::default(),
        records: 0,
        bytes: view.file.bytes,
        checkpoints,
        faults: Vec::new(),
        torn: None,
        looked: Looked::Skimmed,
        unreadable_end: false,
        rewritten: false,
        rewritten_from_start: false,
        vouched: None,
        notes: Vec::new(),
    }
}

impl Scanned {
    /// The number of the first record.
    pub(super) fn first(&self) -> u64 {
        self.header.as_ref().map_or(self.named, |header| header.first)
    }

    /// The chain that the segment follows, if its first line is what was written.
    pub(super) fn previous(&self) -> Option<Head> {
        self.header.as_ref().map(|header| header.previous)
    }

    /// Whether there are any checkpoints, good or not.
    pub(super) fn has_checkpoints(&self) -> bool {
        self.checkpoints.lines > 0
    }

    /// The last record according to what was signed: where the segment was closed, or the farthest checkpoint.
    pub(super) fn promised(&self) -> Option<Position> {
        self.checkpoints.closed.or(self.checkpoints.last.map(|last| last.at))
    }
}

/// The trusted keys, and those that were in use before them: each of these has signed one checkpoint together with a
/// trusted key.
pub(super) fn with_forerunners(trusted: &[PublicKey], scanned: &[Scanned]) -> Vec<PublicKey> {
    let mut all = trusted.to_vec();
    for run in scanned.iter().rev().flat_map(|it| it.checkpoints.runs.iter().rev()) {
        if run.signers.iter().any(|key| all.contains(key)) {
            let new: Vec<_> = run.signers.iter().filter(|key| !all.contains(key)).collect();
            all.extend(new);
        }
    }
    all
}
