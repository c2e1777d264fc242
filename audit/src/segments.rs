//! The files of a journal: their names, which of them exist, and how they are read.
//!
//! `audit-<number of the first record, 20 digits>-<UTC time>.jsonl` is a segment, `….jsonl.zst` the same compressed
//! as a whole (RFC 8878), `….checkpoints` (or `….checkpoints.zst`) its checkpoints. Names sort by number, so that no
//! clock can put them out of order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The name of the file with the newest checkpoint of the journal, alone.
pub const HEAD: &str = "head";
/// The name of the file with the checkpoint up to which segments were removed.
pub const PRUNED: &str = "pruned";
/// The name of the file with the public keys beside the journal.
pub const PUBLIC_KEYS: &str = "signing.pub";

const PREFIX: &str = "audit-";
const RECORDS: &str = ".jsonl";
const CHECKPOINTS: &str = ".checkpoints";
const COMPRESSED: &str = ".zst";
/// The size of the buffer of a reader.
const BUFFER: usize = 1 << 18;

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");

/// The stem of a segment that begins now with the record `first`.
pub fn stem(first: u64, now: OffsetDateTime) -> String {
    format!("{PREFIX}{first:020}-{}", now.format(STAMP).unwrap_or_default())
}

/// The time at which a segment began, as its stem says; `None` if the stem has no time.
pub fn began(stem: &str) -> Option<OffsetDateTime> {
    let (_, stamp) = stem.strip_prefix(PREFIX)?.split_once('-')?;
    Some(PrimitiveDateTime::parse(stamp, STAMP).ok()?.assume_utc())
}

/// A segment, found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// The name of the file without its extensions.
    pub stem: String,
    /// The number of its first record, as the name says.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
    /// The length of the file, in bytes.
    pub bytes: u64,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// The segments in `directory`, in order. If a segment exists twice, compressed and plain (the process died between
/// two steps), the plain one.
///
/// # Errors
///
/// Fails if the directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut found: BTreeMap<(u64, String), SegmentFile> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((stem, compressed)) = name.to_str().and_then(is_segment) else { continue };
        let bytes = match entry.metadata() {
            Ok(found) => found.len(),
            // The file was removed in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let (stem, first) = (stem.to_owned(), first_of(stem));
        let file = SegmentFile { stem: stem.clone(), first, path: entry.path(), bytes, compressed };
        let key = (first, stem);
        if !compressed || !found.contains_key(&key) {
            found.insert(key, file);
        }
    }
    Ok(found.into_values().collect())
}

/// The stem of a segment's file, and whether it is compressed; `None` for any other file.
pub fn is_segment(name: &str) -> Option<(&str, bool)> {
    let plain = name.strip_suffix(COMPRESSED);
    let stem = plain.unwrap_or(name).strip_suffix(RECORDS)?;
    stem.starts_with(PREFIX).then_some((stem, plain.is_some()))
}

/// The number of the first record and the stem, from the name of a file of checkpoints, compressed or not; `None` for
/// any other file.
pub fn is_checkpoints(name: &str) -> Option<(u64, &str)> {
    let stem = name.strip_suffix(COMPRESSED).unwrap_or(name).strip_suffix(CHECKPOINTS)?;
    stem.starts_with(PREFIX).then(|| (first_of(stem), stem))
}

fn first_of(stem: &str) -> u64 {
    let number = stem.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The path of the plain file of a segment's records.
pub fn records(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}{RECORDS}"))
}

/// The path of the plain file of a segment's checkpoints.
pub fn checkpoints(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}{CHECKPOINTS}"))
}

/// The path of the compressed file that takes the place of `path`.
pub fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// Opens a file of a journal, compressed or not: `path` is the path of the plain file. A file that is compressed in
/// the meantime is found all the same.
///
/// # Errors
///
/// Fails if the file does not exist or cannot be read.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(BUFFER, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let decoder = zstd::Decoder::new(File::open(compressed(path))?)?;
            Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)))
        }
        Err(error) => Err(error),
    }
}

impl SegmentFile {
    /// A reader of the records of this segment, compressed or not.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened.
    pub fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        open(&records(self.directory(), &self.stem))
    }

    /// The checkpoints of this segment, as they are in its file; empty if there is no such file. A torn last line is
    /// included.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn checkpoints(&self) -> io::Result<Vec<u8>> {
        read_or_empty(&checkpoints(self.directory(), &self.stem))
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// All bytes of a file, compressed or not; none if there is no such file.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match open(path) {
        Ok(mut reader) => reader.read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
}

/// A part of a plain file: at most `limit` bytes from `from` on.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn read_part(path: &Path, from: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
