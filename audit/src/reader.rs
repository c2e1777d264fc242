//! Reads all records of a journal in order, even while a gate is writing there.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::Record;
use super::lines::{LONGEST, made};
use super::past::first_since;
use super::seal::{Head, Sealed};
use super::segments::{self, SegmentFile};

/// A line of a journal that is not a header: a record, unless the journal is damaged.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The stem of the segment that contains the line.
    pub segment: &'a str,
    /// The number of the line in its segment, counted from 1.
    pub line: u64,
    /// The text of the line, without its line feed. It may be anything.
    pub text: &'a [u8],
    /// The greatest time of the journal before its segment, if the clock was set back behind that.
    pub behind: Option<OffsetDateTime>,
    /// The chain that the line before states, if it states one.
    before: Option<Head>,
}

impl Entry<'_> {
    /// The number of the record, if it is sealed.
    pub fn seq(&self) -> Option<u64> {
        Sealed::parse(self.text)?.seq()
    }

    /// The record; `None` if the line is not a record.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(self.text).ok()
    }

    /// Whether the line is what was written behind the line before it.
    pub fn holds(&self) -> bool {
        let parts = Sealed::parse(self.text).zip(self.before);
        parts.is_some_and(|(sealed, before)| before.followed_by(sealed.hashed) == sealed.chain)
    }
}

/// The segment that is being read.
struct Open {
    stem: String,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    behind: Option<OffsetDateTime>,
    before: Option<Head>,
}

/// Reads the lines of a journal, segment after segment. Memory is bounded: a line longer than a record can be is
/// skipped.
pub struct Reader {
    directory: PathBuf,
    /// The segments that follow the one that is being read.
    queue: VecDeque<String>,
    open: Option<Open>,
    /// The last segment that was queued.
    newest: Option<(u64, String)>,
    text: Vec<u8>,
    /// Whether the line that is being read is too long already.
    skipping: bool,
    /// Whether `text` was returned.
    given: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of the whole journal in `directory`.
    ///
    /// # Errors
    ///
    /// Fails if the directory of the journal cannot be read.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self::of(directory, &segments::list(directory)?))
    }

    /// A reader that begins with the segment that has the record `seq`, or with the first one.
    ///
    /// # Errors
    ///
    /// Fails if the directory of the journal cannot be read.
    pub fn from(directory: &Path, seq: u64) -> io::Result<Self> {
        let list = segments::list(directory)?;
        let start = list.iter().rposition(|it| it.first <= seq).unwrap_or_default();
        Ok(Self::of(directory, list.get(start..).unwrap_or_default()))
    }

    /// A reader that begins with the segment that was written to at `at`, as the names of segments say.
    ///
    /// # Errors
    ///
    /// Fails if the directory of the journal cannot be read.
    pub fn since(directory: &Path, at: OffsetDateTime) -> io::Result<Self> {
        let list = segments::list(directory)?;
        let start = first_since(&list, at);
        Ok(Self::of(directory, list.get(start..).unwrap_or_default()))
    }

    /// A reader of these segments, and of segments that are written later.
    pub fn of(directory: &Path, list: &[SegmentFile]) -> Self {
        let mut reader = Self {
            directory: directory.to_owned(),
            queue: VecDeque::new(),
            open: None,
            newest: None,
            text: Vec::new(),
            skipping: false,
            given: false,
        };
        reader.take_up(list);
        reader
    }

    /// A reader of this segment alone.
    pub fn only(directory: &Path, file: &SegmentFile) -> Self {
        let mut reader = Self::of(directory, std::slice::from_ref(file));
        reader.newest = Some((u64::MAX, String::new()));
        reader
    }

    /// The next whole line that is not a header; `None` if there is none yet: more may be written later.
    ///
    /// # Errors
    ///
    /// Fails if the directory or a segment cannot be read. The next call continues behind that segment.
    pub fn read(&mut self) -> io::Result<Option<Entry<'_>>> {
        while self.advance()? {
            // A line without a seal is returned, too: it may have been a record.
            let header = self.open.as_ref().is_some_and(|open| open.line == 1)
                && Sealed::parse(&self.text).is_some_and(|it| it.seq().is_none());
            if header {
                self.note_clock();
            }
            let before = self.turn();
            if !header && !self.text.is_empty() {
                return Ok(self.open.as_ref().map(|open| Entry {
                    segment: &open.stem,
                    line: open.line,
                    text: &self.text,
                    behind: open.behind,
                    before,
                }));
            }
        }
        Ok(None)
    }

    /// Skips the rest of the segment, if another one follows. Returns whether one does.
    pub fn skip(&mut self) -> bool {
        let follows = !self.queue.is_empty();
        if follows {
            self.close();
            self.given = false;
        }
        follows
    }

    /// Notes whether the clock was set back: the name of a segment has the greatest time of the journal before it,
    /// its first line the time of the clock.
    fn note_clock(&mut self) {
        /// The largest step back that is ignored: well-kept clocks are set back by less.
        const STEP: time::Duration = time::Duration::SECOND;
        let Some(open) = &mut self.open else { return };
        let greatest = super::segments::began(&open.stem);
        open.behind = greatest.filter(|greatest| {
            let clock = made(&self.text);
            clock.is_some_and(|clock| clock < greatest.saturating_sub(STEP))
        });
    }

    /// The chain that the line before states; the chain of this line takes its place.
    fn turn(&mut self) -> Option<Head> {
        let chain = Sealed::parse(&self.text).map(|it| it.chain);
        self.open.as_mut().and_then(|open| std::mem::replace(&mut open.before, chain))
    }

    /// Reads the next whole line, if need be of the next segment.
    fn advance(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.given) {
            self.text.clear();
        }
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(false);
            }
            // If a next segment exists before this one is read to its end, that end is final.
            let last = self.queue.is_empty();
            match self.line() {
                Ok(true) => return Ok(true),
                Ok(false) if last => {
                    let there = segments::list(&self.directory)?;
                    self.take_up(&there);
                    if self.queue.is_empty() {
                        return Ok(false);
                    }
                }
                Ok(false) => self.close(),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.text.clear();
        self.skipping = false;
    }

    /// Continues to read the current line. Returns whether it is whole.
    fn line(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        loop {
            let room = LONGEST.saturating_add(1).saturating_sub(self.text.len()).max(1);
            let read = (&mut open.reader).take(room as u64).read_until(b'\n', &mut self.text)?;
            if read == 0 {
                return Ok(false);
            }
            let whole = self.text.last() == Some(&b'\n');
            if whole {
                self.text.pop();
                open.line = open.line.saturating_add(1);
                self.given = true;
                if std::mem::take(&mut self.skipping) {
                    self.text.clear();
                }
                return Ok(true);
            }
            if self.text.len() > LONGEST {
                self.text.clear();
                self.skipping = true;
            }
        }
    }

    fn open_next(&mut self) -> io::Result<bool> {
        if self.queue.is_empty() {
            let list = segments::list(&self.directory)?;
            self.take_up(&list);
        }
        while let Some(stem) = self.queue.pop_front() {
            let reader = match segments::open(&segments::records(&self.directory, &stem)) {
                Ok(reader) => reader,
                // The segment was removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            self.open = Some(Open { stem, reader, line: 0, behind: None, before: None });
            return Ok(true);
        }
        Ok(false)
    }

    /// Queues the segments that are new.
    fn take_up(&mut self, list: &[SegmentFile]) {
        for file in list {
            let key = (file.first, file.stem.clone());
            if self.newest.as_ref().is_none_or(|newest| *newest < key) {
                self.queue.push_back(file.stem.clone());
                self.newest = Some(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Position, Sealer};
    use std::io::Write as _;

    struct Pen {
        directory: tempfile::TempDir,
        sealer: Sealer,
    }

    impl Pen {
        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn append(&self, name: &str, bytes: &[u8]) {
            let file = std::fs::File::options().create(true).append(true).open(self.path(name));
            file.unwrap().write_all(bytes).unwrap();
        }

        fn begin(&mut self, name: &str) {
            let mut out = Vec::new();
            self.sealer.seal_header(br#"{"phase":"segment","instance":"g"}"#, &mut out);
            self.append(name, &out);
        }

        fn record(&mut self) -> Vec<u8> {
            let mut out = Vec::new();
            self.sealer.seal(br#"{"id":"01890000-0000-7000-8000-000000000001"}"#, &mut out);
            out
        }
    }

    fn numbers(reader: &mut Reader) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(entry) = reader.read().unwrap() {
            assert!(entry.holds() && entry.record().is_some());
            found.push(entry.seq().unwrap());
        }
        found
    }

    #[test]
    fn records_are_read_across_rotation_and_compression_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Sealer::new("g", Position::default(), false);
        let mut pen = Pen { directory, sealer };
        let (one, two) =
            ("audit-00000000000000000001-a.jsonl", "audit-00000000000000000003-b.jsonl");
        let mut reader = Reader::open(pen.directory.path()).unwrap();
        assert!(numbers(&mut reader).is_empty());
        pen.begin(one);
        let (first, second) = (pen.record(), pen.record());
        pen.append(one, &first);
        pen.append(one, &second[..9]);
        assert_eq!(numbers(&mut reader), [1]);
        pen.append(one, &second[9..]);
        pen.begin(two);
        let third = pen.record();
        pen.append(two, &third);
        assert_eq!(numbers(&mut reader), [2, 3]);

        let plain = std::fs::read(pen.path(one)).unwrap();
        let packed = zstd::encode_all(plain.as_slice(), 1).unwrap();
        pen.append(&format!("{one}.zst"), &packed);
        std::fs::remove_file(pen.path(one)).unwrap();
        let mut again = Reader::open(pen.directory.path()).unwrap();
        assert_eq!(numbers(&mut again), [1, 2, 3]);
        assert_eq!(numbers(&mut Reader::from(pen.directory.path(), 3).unwrap()), [3]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Sealer::new("g", Position::default(), false);
        let mut pen = Pen { directory, sealer };
        let name = "audit-00000000000000000001-a.jsonl";
        pen.begin(name);
        pen.append(name, &vec![b'x'; 5 << 20]);
        let mut reader = Reader::open(pen.directory.path()).unwrap();
        assert!(reader.read().unwrap().is_none());
        assert!(reader.text.capacity() < 4 << 20);
        pen.append(name, b"\n");
        let record = pen.record();
        pen.append(name, &record);
        // The line before it has no seal to follow.
        assert!(!reader.read().unwrap().unwrap().holds());
        assert!(reader.read().unwrap().is_none());
    }
}
