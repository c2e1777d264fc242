//! Reads the files of a bundle, in bounded time and memory.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::finding::{Finding, Findings};
use super::statement::too_deep;

/// A file may be this long. The largest bundle that we have measured, 10,000 policies, is 4 MiB.
const FILE_BYTES: u64 = 16 << 20;
/// All files together.
const ALL_BYTES: usize = 64 << 20;
/// So many files there may be.
const FILES: usize = 4_096;
/// Brackets may be nested this deep: Cedar's parser recurses, and a stack that overflows ends the
/// process (`notes/cedar.md`).
const NESTING: usize = 64;

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the bundle's folder.
    pub name: String,
    /// What it holds.
    pub text: Arc<str>,
}

/// The files of a bundle, in canonical order: each list by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `schema.cedarschema`
    pub schema: File,
    /// `*.cedar`
    pub policies: Vec<File>,
    /// `routes.yaml`
    pub routes: File,
    /// `tests/*.yaml`. They are checked with the rest, and are no part of the digest: they decide
    /// nothing.
    pub tests: Vec<File>,
}

impl Sources {
    /// Reads the bundle in `directory`.
    ///
    /// # Errors
    ///
    /// What cannot be read, is too much, or no text.
    pub fn read(directory: &Path) -> Result<Self, Findings> {
        let policies = files(directory, "", &["cedar"])?;
        let tests = directory.join("tests");
        let tests =
            if tests.is_dir() { files(directory, "tests", &["yaml", "yml"])? } else { Vec::new() };
        let sources = Self {
            schema: file(directory, "schema.cedarschema")?,
            policies,
            routes: file(directory, "routes.yaml")?,
            tests,
        };
        sources.bounded(directory)?;
        Ok(sources)
    }

    /// All files, in canonical order.
    pub fn all(&self) -> impl Iterator<Item = &File> {
        self.deciding().chain(&self.tests)
    }

    /// The files that decide: all but the tests.
    pub fn deciding(&self) -> impl Iterator<Item = &File> {
        self.policies.iter().chain([&self.routes, &self.schema])
    }

    /// The bundle that these files are, without tests; `None` when schema or routes are missing.
    pub fn of(files: Vec<File>) -> Option<Self> {
        let named = |name: &str| files.iter().find(|file| file.name == name).cloned();
        let (schema, routes) = (named("schema.cedarschema")?, named("routes.yaml")?);
        let policies = files.iter().filter(|it| it.name != schema.name && it.name != routes.name);
        let mut policies: Vec<File> = policies.cloned().collect();
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self { schema, policies, routes, tests: Vec::new() })
    }

    /// SHA-256 over the names and contents of policies, routes and schema, each with its length
    /// before it, so that no two bundles give the same bytes. In hexadecimal.
    pub fn digest(&self) -> Arc<str> {
        let mut context = Context::new(&SHA256);
        for file in self.deciding() {
            for part in [&*file.name, &*file.text] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part.as_bytes());
            }
        }
        let mut hex = String::with_capacity(64);
        for byte in context.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ok = write!(hex, "{byte:02x}");
        }
        Arc::from(hex)
    }

    fn bounded(&self, directory: &Path) -> Result<(), Findings> {
        let bytes: usize = self.all().map(|file| file.text.len()).sum();
        if bytes > ALL_BYTES {
            return Err(unusable(directory, "is longer than 64 MiB, all files together"));
        }
        for file in self.policies.iter().chain([&self.schema]) {
            if let Some(offset) = too_deep(&file.text, NESTING) {
                let message = format!("brackets are nested more than {NESTING} deep");
                return Err(Findings(vec![file.at(offset, &message, "take the expression apart")]));
            }
        }
        Ok(())
    }
}

/// The files in a folder of the bundle with one of these endings, by name.
fn files(directory: &Path, below: &str, endings: &[&str]) -> Result<Vec<File>, Findings> {
    let folder = directory.join(below);
    let mut names: Vec<String> = Vec::new();
    let unreadable =
        |error: &std::io::Error| unusable(&folder, &format!("cannot be read: {error}"));
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = Path::new(&name).extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !name.starts_with('.') && endings.contains(&ending) {
            names.push(if below.is_empty() { name } else { format!("{below}/{name}") });
        }
        if names.len() > FILES {
            return Err(unusable(&folder, &format!("holds more than {FILES} files")));
        }
    }
    names.sort();
    names.iter().map(|name| file(directory, name)).collect()
}

fn unusable(path: &Path, message: &str) -> Findings {
    let remedy =
        "a bundle is a folder with schema.cedarschema, *.cedar, routes.yaml and tests/*.yaml";
    Findings(vec![Finding {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        source: String::new(),
    }])
}

fn file(directory: &Path, name: &str) -> Result<File, Findings> {
    let path = directory.join(name);
    let unreadable = |error: &std::io::Error| unusable(&path, &format!("cannot be read: {error}"));
    // A pipe would let us wait for ever.
    if !fs::metadata(&path).map_err(|error| unreadable(&error))?.is_file() {
        return Err(unusable(&path, "is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    let named = |text: &str| File { name: name.to_owned(), text: Arc::from(text) };
    if bytes.len() as u64 > FILE_BYTES {
        let remedy = "split it into several files";
        return Err(Findings::one(&named(""), 0, "is longer than 16 MiB", remedy));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(named(text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let good = named(&String::from_utf8_lossy(good));
            let finding = good.at(good.text.len(), "is not UTF-8", "save it as UTF-8");
            Err(Findings(vec![finding]))
        }
    }
}
