//! Reads the folder, and makes a bundle from its files.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use super::folder::fingerprint;
use crate::bundle::{Bundle, Finding, Findings, Kind, Loader, Sources};

/// The maximum number of attempts to read a folder that changes while it is read.
const TRIES: u32 = 20;
/// The pause between two of these attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads the folder as it was at one moment: a mix of files from before and after a change, or a swap of the
/// folder, is not a bundle that anybody wrote.
pub(super) fn still(directory: &Path) -> Result<(Sources, Vec<Finding>), Findings> {
    for _ in 0..TRIES {
        // A link to the folder is resolved once: the link may be replaced and restored while files are read.
        let folder = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        let before = fingerprint(&folder);
        let read = Sources::read_leniently(&folder);
        if fingerprint(&folder) == before {
            return read;
        }
        std::thread::sleep(PAUSE);
    }
    let message = "the folder changes while it is read";
    let remedy = "reload when nobody writes to it, or swap the folder as a whole";
    Err(Findings(vec![Finding::about(Kind::Unreadable, ".", message, remedy)]))
}

/// Makes a bundle, and returns its doubts. A panic in the loader rejects only the bundle that caused it.
pub(super) fn load(
    sources: Sources,
    loader: &mut Loader,
) -> Result<(Bundle, Vec<Finding>), Findings> {
    let file = sources.schema.name.clone();
    let made = std::panic::catch_unwind(AssertUnwindSafe(|| loader.load_leniently(sources)));
    made.unwrap_or_else(|_| {
        // The loader's memory may be inconsistent after a panic.
        *loader = Loader::default();
        let message = "the loader has failed on this bundle";
        let remedy = "report it, with the bundle";
        Err(Findings(vec![Finding::about(Kind::Invalid, &file, message, remedy)]))
    })
}
