//! The start: which bundle is put in force first.
//!
//! The folder's bundle comes first, then the bundles of the archive, newest first. The caller judges each of them:
//! [`Opening::next_candidate`] gives a bundle, and the caller refuses it or takes it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;

use super::admission::{Candidate, Examined, Listener, Occasion, Remarks};
use super::folder::{Mark, fingerprint};
use super::reading::{load, still};
use super::{BundleStore, Published, Reload, Work, now};
use crate::archive::Archive;
use crate::bundle::{Bundle, Findings};

/// The maximum number of bundles of the archive that are tried. If so many cannot be used, the cause is not
/// in the policies.
const MOST: usize = 16;

/// The bundles that a start may take.
#[derive(Debug)]
pub struct Opening {
    directory: PathBuf,
    archive: Archive,
    seen: Vec<Mark>,
    work: Work,
    /// What is wrong with the folder's bundle, once it was refused.
    rejected: Option<Findings>,
    /// The remaining bundles of the archive; `None` while the folder's bundle was not tried.
    archived: Option<VecDeque<Arc<str>>>,
}

impl Opening {
    /// Prepares a start with the bundle in `directory`, or with one of the archive.
    pub fn new(directory: &Path, archive: Archive) -> Self {
        Self {
            directory: directory.to_owned(),
            archive,
            seen: fingerprint(directory),
            work: Work::default(),
            rejected: None,
            archived: None,
        }
    }

    /// Returns the next bundle that may be put in force.
    pub fn next_candidate(&mut self) -> Option<Candidate> {
        if self.archived.is_none() {
            self.archived = Some(self.archive.newest_first().into_iter().take(MOST).collect());
            match self.folder() {
                Ok(candidate) => return Some(candidate),
                Err(findings) => self.rejected = Some(findings),
            }
        }
        while let Some(digest) = self.archived.as_mut()?.pop_front() {
            if let Some(next) = self.kept(&digest) {
                return Some(Candidate {
                    next,
                    before: None,
                    doubts: Vec::new(),
                    occasion: Occasion::Restart,
                    known: None,
                });
            }
        }
        None
    }

    /// Refuses a bundle, and records why.
    pub fn refuse(&mut self, candidate: &Candidate, findings: Findings) {
        if candidate.next.archived {
            let digest = candidate.next.bundle.digest();
            tracing::error!(%findings, %digest, "these policies of the archive cannot be used any more");
        } else {
            self.rejected = Some(findings);
        }
    }

    /// Returns what is wrong with the folder's bundle, if it was refused.
    pub fn rejected(&self) -> Option<&Findings> {
        self.rejected.as_ref()
    }

    /// Puts this bundle in force.
    pub fn take(
        self,
        candidate: Candidate,
        examined: Examined,
        listener: Box<Listener>,
    ) -> Arc<BundleStore> {
        let Examined { warned, tests, .. } = examined;
        let remarks = Remarks { warned, tests, ..Remarks::default() };
        let store = Arc::new(BundleStore {
            directory: self.directory,
            archive: Some(self.archive),
            current: ArcSwap::new(candidate.next),
            remarks: ArcSwap::from_pointee(remarks),
            rejected: Mutex::new(self.rejected.clone()),
            work: Mutex::new(self.work),
            seen: self.seen,
            listener,
            rehearsal: OnceLock::new(),
            examiner: OnceLock::new(),
            recorder: OnceLock::new(),
        });
        if let Some(findings) = self.rejected {
            let outcome = Reload::Rejected(findings);
            (store.listener)(&outcome, &store.current.load(), &store.remarks.load());
        }
        store
    }

    /// Loads the folder's bundle.
    fn folder(&mut self) -> Result<Candidate, Findings> {
        let (sources, unread) = still(&self.directory)?;
        let last = self
            .archive
            .last_digest()
            .inspect_err(|error| tracing::error!(%error, "the last good policies cannot be found"))
            .ok()
            .flatten();
        let was_in_force = last.as_ref().is_some_and(|digest| *digest == sources.digest());
        // The bundle to compare with is loaded first: the loader should remember the newest bundle, which the
        // next edit changes.
        let before = last.filter(|_| !was_in_force).and_then(|digest| self.kept(&digest));
        let (bundle, mut doubts) = load(sources, &mut self.work.loader)?;
        doubts.extend(unread.iter().cloned());
        self.work.unread = unread;
        let occasion = if was_in_force { Occasion::Restart } else { Occasion::Start };
        Ok(Candidate { next: first(bundle, false), before, doubts, occasion, known: None })
    }

    /// Loads a bundle of the archive, if it is usable. It was in force before, so its doubts do not matter any
    /// more.
    fn kept(&mut self, digest: &str) -> Option<Arc<Published>> {
        let sources = self
            .archive
            .bundle(digest)
            .inspect_err(|error| tracing::error!(%error, "policies of the archive cannot be read"))
            .ok()??;
        let loaded = load(sources, &mut self.work.loader).inspect_err(|findings| {
            tracing::error!(%findings, %digest, "policies of the archive are not accepted any more");
        });
        loaded.ok().map(|(bundle, _)| first(bundle, true))
    }
}

/// Returns the first bundle of a process, as published.
pub(super) fn first(bundle: Bundle, archived: bool) -> Arc<Published> {
    Arc::new(Published { bundle, generation: 1, loaded_at: now(), archived })
}
