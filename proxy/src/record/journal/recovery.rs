//! The start: what the last process left torn or open is put in order.
//!
//! Segments are read once, a line at a time. What is kept in memory is where the intents are that
//! have no outcome yet: as many as requests were on their way at once, however long the journal.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::place::Place;
use super::shared::spelled;
use super::writer::Writer;
use super::{JournalError, Unrecordable, now};
use crate::record::entry::{Phase, Record};

/// No record is longer; what is, is damage and is not taken into memory.
const LONGEST: usize = 1 << 20;

/// What was found at the start, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// How many segments there were.
    pub segments: usize,
    /// How many records were in them.
    pub records: u64,
    /// The ends that were cut back to the last whole record.
    pub tears: Vec<Tear>,
    /// How many intents had no outcome and have one now, with `success: null`.
    pub closed: u64,
    /// How many whole lines are no records. They stay as they are.
    pub damaged: u64,
    /// The segment and the line, from 1, of the first of them.
    pub first_damage: Option<(PathBuf, u64)>,
}

/// An end that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tear {
    /// Of which segment.
    pub segment: PathBuf,
    /// How many bytes.
    pub bytes: u64,
}

/// Where a line is: segment, first byte, length.
type Spot = (usize, u64, u64);

/// What this program has to know of a record to match it with another.
#[derive(Deserialize)]
struct Head<'a> {
    id: &'a str,
    phase: Phase,
}

#[derive(Default)]
struct Scan {
    open: HashMap<Uuid, Spot>,
    /// Outcomes that were seen before their intents: the clock was set back between two segments.
    early: HashSet<Uuid>,
    found: Recovered,
}

/// Reads what is in the place, puts it in order, and begins a new segment.
pub(super) fn recover(place: Place) -> Result<(Writer, Recovered), JournalError> {
    let directory = place.directory().to_owned();
    let unusable = |path: &Path, source| JournalError::Unusable { path: path.to_owned(), source };
    let segments = place.segments().map_err(|error| unusable(&directory, error))?;
    let mut scan = Scan::default();
    scan.found.segments = segments.len();
    for (index, (path, _)) in segments.iter().enumerate() {
        scan.read(index, path).map_err(|error| unusable(path, error))?;
    }

    let mut writer = Writer::begin(place).map_err(|error| unusable(&directory, error))?;
    let mut spots: Vec<_> = scan.open.into_iter().map(|(id, spot)| (spot, id)).collect();
    spots.sort_unstable();
    for ((index, start, length), id) in spots {
        let Some((path, _)) = segments.get(index) else { continue };
        let line = read_at(path, start, length).map_err(|error| unusable(path, error))?;
        close(&mut writer, &line, id).map_err(|error| unusable(&directory, error))?;
        scan.found.closed = scan.found.closed.saturating_add(1);
    }
    writer.sync().map_err(|error| unusable(&directory, error))?;
    Ok((writer, scan.found))
}

/// Writes the outcome that nobody wrote.
fn close(writer: &mut Writer, intent: &[u8], id: Uuid) -> io::Result<()> {
    let now = now();
    // A record of another version still gets its outcome, if only with the id.
    let intent = serde_json::from_slice(intent);
    let intent = intent.unwrap_or_else(|_| Record::new(id, Phase::Intent, now));
    spelled(&intent.closed_at_start(now), |line| Ok(writer.append(line).map(drop)?)).map_err(
        |error| match error {
            Unrecordable::Unwritable(error) => io::Error::new(error.kind(), error),
            other => io::Error::other(other),
        },
    )
}

impl Scan {
    fn read(&mut self, index: usize, path: &Path) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        let (mut text, mut start, mut number) = (Vec::new(), 0_u64, 0_u64);
        loop {
            let (length, ended) = read_line(&mut reader, &mut text)?;
            if !ended {
                return self.cut(path, start, length);
            }
            number = number.saturating_add(1);
            if !self.keep(&text, (index, start, length)) {
                self.found.damaged = self.found.damaged.saturating_add(1);
                self.found.first_damage.get_or_insert_with(|| (path.to_owned(), number));
            }
            start = start.saturating_add(length);
        }
    }

    /// Takes note of a line; `false` if it is no record.
    fn keep(&mut self, line: &[u8], spot: Spot) -> bool {
        let Ok(head) = serde_json::from_slice::<Head<'_>>(line) else { return false };
        let Ok(id) = head.id.parse() else { return false };
        match head.phase {
            Phase::Intent if !self.early.remove(&id) => {
                self.open.insert(id, spot);
            }
            Phase::Outcome if self.open.remove(&id).is_none() => {
                self.early.insert(id);
            }
            // An intent that was written and could not be synced: the request was refused.
            Phase::Denial => {
                self.open.remove(&id);
            }
            Phase::Intent | Phase::Outcome => {}
        }
        self.found.records = self.found.records.saturating_add(1);
        true
    }

    fn cut(&mut self, path: &Path, good: u64, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(good)?;
        file.sync_data()?;
        self.found.tears.push(Tear { segment: path.to_owned(), bytes });
        Ok(())
    }
}

/// Reads up to the end of a line. Says how long it is and whether it ends at all; of a line that is
/// too long, `text` has the beginning.
fn read_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<(u64, bool)> {
    text.clear();
    let mut length = 0_u64;
    loop {
        let here = reader.fill_buf()?;
        let end = memchr::memchr(b'\n', here);
        let used = end.map_or(here.len(), |end| end.saturating_add(1));
        let room = LONGEST.saturating_sub(text.len()).min(used);
        text.extend(here.get(..room).unwrap_or_default());
        reader.consume(used);
        length = length.saturating_add(used as u64);
        if end.is_some() || used == 0 {
            return Ok((length, end.is_some()));
        }
    }
}

fn read_at(path: &Path, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::new();
    file.take(length).read_to_end(&mut line)?;
    Ok(line)
}
