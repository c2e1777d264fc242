//! The archive of bundles: every bundle that was in force is kept on disk under its digest. A restart on an
//! invalid folder serves the last good bundle, and a reader of an old audit record finds the policies that
//! decided it.
//!
//! `<digest>.json` holds the files of one bundle. `last-good` holds the digest of the bundle that was in force
//! last and that passes the checks of a start. `history` lists the digests of the earlier ones too, the newest
//! last. While the database is down, the gate cannot tell whether a start accepts a bundle: a bundle that comes
//! into force then has a file, but neither `last-good` nor `history` names the bundle.

mod history;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::private;
use serde::{Deserialize, Serialize};

use crate::bundle::{self, Sources, breathe};

/// The file that holds the digest of the newest good bundle.
const LAST_GOOD: &str = "last-good";
/// The maximum length of a kept bundle, in bytes: the 64 MiB of the longest bundle, and half of that again for
/// escapes.
const LONGEST: u64 = 96 << 20;
/// The number of bytes that are written at a time.
const AT_ONCE: usize = 64 << 10;

/// The reason why a bundle cannot be kept or cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk cannot be read or written.
    #[error("`{path}`: {source}", path = .path.display())]
    Disk {
        /// The file that cannot be read or written.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file does not hold the bundle that was kept under its name.
    #[error("`{path}` does not hold the bundle that it is named after: {problem}", path = .path.display())]
    Changed {
        /// The file with the wrong content.
        path: PathBuf,
        /// What is wrong with the file.
        problem: String,
    },
}

/// The folder of kept bundles.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
}

/// One kept bundle as it is written. Tests are left out: they decide nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    digest: Arc<str>,
    files: BTreeMap<String, Arc<str>>,
}

impl Archive {
    /// Returns the archive in `directory`, which is created when the first bundle is kept.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps a bundle. The bundle is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Fails if the bundle cannot be written.
    pub fn keep(&self, digest: &Arc<str>, sources: &Sources) -> Result<(), ArchiveError> {
        let path = self.path(digest);
        private::directory(&self.directory).map_err(|source| disk(&self.directory, source))?;
        if path.exists() {
            return Ok(());
        }
        let files = sources.deciding().map(|it| (it.name.clone(), Arc::clone(&it.text)));
        let kept = Kept { digest: Arc::clone(digest), files: files.collect() };
        self.write(&path, |file| Ok(serde_json::to_writer(file, &kept)?))
    }

    /// Records that a kept bundle is in force and that a start accepts it: from now on it is the last good
    /// bundle. The record is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Fails if the record cannot be written.
    pub fn confirm(&self, digest: &str) -> Result<(), ArchiveError> {
        self.add_to_history(digest)?;
        let path = self.directory.join(LAST_GOOD);
        // A start confirms again what is confirmed already: an unchanged file is not written again.
        if read(&path).ok().flatten().is_some_and(|it| it.trim() == digest) {
            return Ok(());
        }
        self.write(&path, |file| file.write_all(digest.as_bytes()))
    }

    /// Returns the newest good bundle, or `None` if no bundle was ever confirmed.
    ///
    /// # Errors
    ///
    /// Fails if the bundle cannot be read, or was changed after it was kept.
    pub fn last_good(&self) -> Result<Option<Sources>, ArchiveError> {
        match self.last_digest()? {
            Some(digest) => self.bundle(&digest),
            None => Ok(None),
        }
    }

    /// Returns the digest of the newest good bundle, or `None` if no bundle was ever confirmed.
    ///
    /// # Errors
    ///
    /// Fails if the file `last-good` cannot be read, or does not hold a digest.
    pub fn last_digest(&self) -> Result<Option<Arc<str>>, ArchiveError> {
        let path = self.directory.join(LAST_GOOD);
        let Some(digest) = read(&path)? else { return Ok(None) };
        let digest = digest.trim();
        if !is_digest(digest) {
            return Err(ArchiveError::Changed { path, problem: "it names no digest".to_owned() });
        }
        Ok(Some(Arc::from(digest)))
    }

    /// Returns the bundle with this digest, or `None` if it was not kept.
    ///
    /// # Errors
    ///
    /// Fails if the bundle cannot be read, or was changed after it was kept.
    pub fn bundle(&self, digest: &str) -> Result<Option<Sources>, ArchiveError> {
        // The digest may come from a record, and becomes a file name.
        if !is_digest(digest) {
            return Ok(None);
        }
        let path = self.path(digest);
        let Some(text) = read(&path)? else { return Ok(None) };
        let changed = |problem: String| ArchiveError::Changed { path: path.clone(), problem };
        let kept: Kept = serde_json::from_str(&text).map_err(|error| changed(error.to_string()))?;
        let files = kept.files.into_iter().map(|(name, text)| bundle::File { name, text });
        let sources = Sources::of(&files.collect::<Vec<_>>())
            .ok_or_else(|| changed("schema or routes are missing".to_owned()))?;
        if *sources.digest() == *digest {
            Ok(Some(sources))
        } else {
            Err(changed(format!("it holds {}", sources.digest())))
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.json"))
    }

    /// Writes a file completely or not at all.
    fn write(
        &self,
        path: &Path,
        content: impl FnOnce(&mut BufWriter<Breathing>) -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let fresh = path.with_extension("new");
        let written = || {
            let mut file = BufWriter::with_capacity(AT_ONCE, Breathing(create(&fresh)?));
            content(&mut file)?;
            file.into_inner()?.0.sync_all()?;
            fs::rename(&fresh, path)?;
            File::open(&self.directory)?.sync_all()
        };
        written().map_err(|source| disk(path, source))
    }
}

/// Creates a file, or empties an existing one.
fn create(path: &Path) -> io::Result<File> {
    private::file().write(true).create(true).truncate(true).open(path)
}

/// A file that pauses before each write, so that writing it does not slow down the requests being served.
struct Breathing(File);

impl Write for Breathing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        breathe();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

fn disk(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Disk { path: path.to_owned(), source }
}

fn read(path: &Path) -> Result<Option<String>, ArchiveError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk(path, error)),
    };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| disk(path, error))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests;
