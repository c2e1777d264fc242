//! A copy of a journal, and the tools of somebody who tampers with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tests::forger::{Chain, hashed, pack, seal, unpack};

/// So many records a segment.
pub(super) const EACH: usize = 10_000;

/// A copy. Files that nobody touches are the pristine ones.
pub(super) struct Copy {
    place: TempDir,
    pub(super) stems: Vec<String>,
}

impl Copy {
    pub(super) fn of(pristine: &Path, stems: &[String]) -> Self {
        let place = tempfile::tempdir_in(pristine.parent().unwrap()).unwrap();
        for entry in fs::read_dir(pristine).unwrap() {
            let entry = entry.unwrap();
            fs::hard_link(entry.path(), place.path().join(entry.file_name())).unwrap();
        }
        Self { place, stems: stems.to_vec() }
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    /// A file, compressed or not.
    fn file(&self, name: &str) -> PathBuf {
        let packed = self.path().join(format!("{name}.zst"));
        if packed.exists() { packed } else { self.path().join(name) }
    }

    pub(super) fn segment(&self, index: usize) -> PathBuf {
        self.file(&format!("{}.jsonl", self.stems[index]))
    }

    pub(super) fn checkpoints(&self, index: usize) -> PathBuf {
        self.file(&format!("{}.checkpoints", self.stems[index]))
    }

    /// Writes a file anew: the pristine one has other names, and keeps its bytes.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) {
        if path.exists() {
            self.remove(path);
        }
        fs::write(path, bytes).unwrap();
    }

    /// Changes the bytes of a file, of a compressed one those that were compressed.
    pub(super) fn bytes(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let packed = path.extension().is_some_and(|it| it == "zst");
        let mut bytes = fs::read(path).unwrap();
        if packed {
            bytes = unpack(&bytes);
        }
        change(&mut bytes);
        self.put(path, &if packed { pack(&bytes) } else { bytes });
    }

    /// Changes the lines of a file.
    pub(super) fn lines(&self, path: &Path, change: impl FnOnce(&mut Vec<String>)) {
        self.bytes(path, |bytes| {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            lines.push(String::new());
            *bytes = lines.join("\n").into_bytes();
        });
    }

    /// Changes the lines of the segment that has the record `seq`; tells where that stands.
    pub(super) fn at(&self, seq: usize, change: impl FnOnce(&mut Vec<String>, usize)) {
        let path = self.segment((seq - 1) / EACH);
        self.lines(&path, |lines| change(lines, line_of(seq)));
    }

    /// Changes the checkpoints of a segment.
    pub(super) fn signed(&self, index: usize, change: impl FnOnce(&mut Vec<String>)) {
        self.lines(&self.checkpoints(index), change);
    }

    pub(super) fn remove(&self, path: &Path) {
        assert!(path.starts_with(self.path()), "the pristine one is not to be touched");
        fs::remove_file(path).unwrap();
    }

    /// Takes away all of a segment.
    pub(super) fn remove_segment(&self, index: usize) {
        self.remove(&self.segment(index));
        self.remove(&self.checkpoints(index));
    }

    pub(super) fn head(&self, line: &str) {
        self.put(&self.path().join("head"), format!("{line}\n").as_bytes());
    }
}

/// The index of the line of a record: the header is the first.
pub(super) fn line_of(seq: usize) -> usize {
    (seq - 1) % EACH + 1
}

/// The chain that a line states.
pub(super) fn chain_of(line: &str) -> Chain {
    let hex = &line[line.len() - 66..line.len() - 2];
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// Writes the chain anew from a line on.
pub(super) fn chain_anew(lines: &mut [String], from: usize) {
    for index in from..lines.len() {
        let before = chain_of(&lines[index - 1]);
        lines[index] = seal(&before, hashed(&lines[index])).0;
    }
}

/// Writes numbers and chain anew from a line on, of a segment that begins with `first`.
pub(super) fn number_anew(lines: &mut [String], from: usize, first: usize) {
    for (index, line) in lines.iter_mut().enumerate().skip(from) {
        let (before, _) = hashed(line).rsplit_once(",\"seq\":").unwrap();
        *line = format!("{before},\"seq\":{},\"chain\":\"", first + index - 1);
    }
    chain_anew(lines, from);
}

/// Turns one letter into another one.
pub(super) fn flip(line: &mut String, at: usize) {
    let mut bytes = std::mem::take(line).into_bytes();
    bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
    *line = String::from_utf8(bytes).unwrap();
}
