//! Every bundle that was in force, kept on disk by its digest: so that a restart on a bad folder
//! serves the last good one, and so that whoever reads a record years later finds the policies that
//! decided it.
//!
//! `<digest>.json` holds the files of one bundle. `last-good` is the digest of the bundle that was in
//! force last and that a start accepts, and `history` has the digests of those before it, too, the newest
//! last. A bundle of which nobody could say yet whether a start accepts it, because the database was down,
//! has its file and is in neither.

mod history;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::private;
use serde::{Deserialize, Serialize};

use crate::bundle::{self, Sources, breathe};

/// The file that names the newest bundle.
const LAST_GOOD: &str = "last-good";
/// A kept bundle may be this long: as long as one may be, and a half more for its escapes.
const LONGEST: u64 = 96 << 20;
/// So much is written at a time.
const AT_ONCE: usize = 64 << 10;

/// A bundle cannot be kept, or cannot be had back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk says no.
    #[error("`{path}`: {source}", path = .path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is not what was kept.
    #[error("`{path}` does not hold the bundle that it is named after: {problem}", path = .path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The folder of kept bundles.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
}

/// One kept bundle as it is written. Tests are not kept: they decide nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    digest: Arc<str>,
    files: BTreeMap<String, Arc<str>>,
}

impl Archive {
    /// The archive in `directory`, which is made when something is kept.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps a bundle. It is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
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

    /// Remembers that a kept bundle is in force and that a start accepts it: it is the last good one from
    /// now on. That is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn confirm(&self, digest: &str) -> Result<(), ArchiveError> {
        self.add_to_history(digest)?;
        let path = self.directory.join(LAST_GOOD);
        // Written again only if it says something else: a start confirms what is confirmed already.
        if read(&path).ok().flatten().is_some_and(|it| it.trim() == digest) {
            return Ok(());
        }
        self.write(&path, |file| file.write_all(digest.as_bytes()))
    }

    /// The newest bundle that was good, if any was ever kept.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or was changed since.
    pub fn last_good(&self) -> Result<Option<Sources>, ArchiveError> {
        match self.last_digest()? {
            Some(digest) => self.bundle(&digest),
            None => Ok(None),
        }
    }

    /// The digest of the newest bundle that was good, if any was ever kept.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is none.
    pub fn last_digest(&self) -> Result<Option<Arc<str>>, ArchiveError> {
        let path = self.directory.join(LAST_GOOD);
        let Some(digest) = read(&path)? else { return Ok(None) };
        let digest = digest.trim();
        if !is_digest(digest) {
            return Err(ArchiveError::Changed { path, problem: "it names no digest".to_owned() });
        }
        Ok(Some(Arc::from(digest)))
    }

    /// The bundle of this digest, if it was kept.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or was changed since.
    pub fn bundle(&self, digest: &str) -> Result<Option<Sources>, ArchiveError> {
        // It may come from a record, and becomes the name of a file.
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

    /// Writes a file whole or not at all.
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

/// Makes a file, or empties the one that is there.
fn create(path: &Path) -> io::Result<File> {
    private::file().write(true).create(true).truncate(true).open(path)
}

/// A file that is written beside requests that are served.
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
