//! Reads the journal's segments, oldest first, behind a cursor that survives restarts.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The cursor's file, in the journal's directory.
const CURSOR: &str = "database.cursor";
/// Read at once at the most; a record is far shorter.
const CHUNK: u64 = 256 * 1024;

/// A place in the journal.
#[derive(Debug)]
pub(super) struct Tail {
    directory: PathBuf,
    segment: String,
    offset: u64,
}

impl Tail {
    /// Goes on where the cursor is; without a readable one from the beginning, which delivers
    /// again what was delivered and harms nothing.
    pub(super) fn open(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join(CURSOR)).unwrap_or_default();
        let place = text
            .split_once(' ')
            .and_then(|(segment, offset)| Some((segment.to_owned(), offset.trim().parse().ok()?)));
        let (segment, offset) = place.unwrap_or_default();
        Self { directory: directory.to_owned(), segment, offset }
    }

    /// The next whole lines, if there are any.
    pub(super) fn read(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(text) = self.here()? {
                return Ok(Some(text));
            }
            let Some(next) = self.next_segment()? else { return Ok(None) };
            (self.segment, self.offset) = (next, 0);
        }
    }

    /// Moves on by so many bytes, which were delivered.
    pub(super) fn advance(&mut self, bytes: usize) -> io::Result<()> {
        self.offset += bytes as u64;
        let fresh = self.directory.join(format!("{CURSOR}.new"));
        fs::write(&fresh, format!("{} {}\n", self.segment, self.offset))?;
        fs::rename(fresh, self.directory.join(CURSOR))
    }

    /// The whole lines that follow in this segment.
    fn here(&self) -> io::Result<Option<String>> {
        if self.segment.is_empty() {
            return Ok(None);
        }
        let mut file = match fs::File::open(self.directory.join(&self.segment)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        let Some(last) = memchr::memrchr(b'\n', &bytes) else { return Ok(None) };
        bytes.truncate(last + 1);
        String::from_utf8(bytes).map(Some).map_err(io::Error::other)
    }

    /// The segment after this one. The names of segments sort by time.
    fn next_segment(&self) -> io::Result<Option<String>> {
        let mut next: Option<String> = None;
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let later = name > self.segment && next.as_ref().is_none_or(|found| name < *found);
            if later && super::super::journal::is_segment(&name) {
                next = Some(name);
            }
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn lines_are_read_once_whole_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("audit-2.jsonl", "c\nd");
        write("audit-1.jsonl", "a\nb\n");
        write("lock", "1\n");
        let mut tail = Tail::open(directory.path());
        assert_eq!(tail.read().unwrap().as_deref(), Some("a\nb\n"));
        tail.advance(2).unwrap();
        let mut tail = Tail::open(directory.path());
        assert_eq!(tail.read().unwrap().as_deref(), Some("b\n"));
        tail.advance(2).unwrap();
        assert_eq!(tail.read().unwrap().as_deref(), Some("c\n"));
        tail.advance(2).unwrap();
        assert_eq!(tail.read().unwrap(), None, "a line that is not whole yet");
        write("audit-2.jsonl", "c\nde\n");
        assert_eq!(tail.read().unwrap().as_deref(), Some("de\n"));
    }
}
