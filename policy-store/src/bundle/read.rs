//! Reads the files of a bundle, in bounded time and memory.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::depth::{Limits, too_deep};
use super::finding::{Finding, Findings, MOST, TESTS};
use super::kind::Kind;
use super::room::breathe;

/// The maximum length of a file. The largest bundle that we have measured, 10,000 policies, is 4 MiB.
const FILE_BYTES: u64 = 16 << 20;
/// The maximum length of the schema: Cedar reads a schema ten times slower. 10,000 actions are 1 MiB.
const SCHEMA_BYTES: usize = 4 << 20;
/// The maximum length of all files together.
const ALL_BYTES: usize = 64 << 20;
/// The maximum number of files in a folder.
const FILES: usize = 4_096;
/// The number of bytes that are read at a time.
const AT_ONCE: usize = 64 << 10;
/// The maximum depth of policies and schema.
const LIMITS: Limits = Limits { nesting: 64, links: 1_000, joins: 500, angles: false };

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path of the file below the bundle's folder.
    pub name: String,
    /// The content of the file.
    pub text: Arc<str>,
}

/// The files of a bundle in canonical order: each list is sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `schema.cedarschema`
    pub schema: File,
    /// `*.cedar`
    pub policies: Vec<File>,
    /// `routes.yaml`
    pub routes: File,
    /// `tests/*.yaml`. The tests are checked with the rest, but are not part of the digest: they decide
    /// nothing.
    pub tests: Vec<File>,
}

impl Sources {
    /// Reads the bundle in `directory`.
    ///
    /// # Errors
    ///
    /// Returns the files that cannot be read, are too large, or are not text.
    pub fn read(directory: &Path) -> Result<Self, Findings> {
        let (sources, unread) = Self::read_leniently(directory)?;
        Findings::none_of(unread).map(|()| sources)
    }

    /// Reads the bundle in `directory`. A test file that cannot be read is left out and reported in a finding:
    /// tests decide nothing.
    ///
    /// # Errors
    ///
    /// Returns the other files that cannot be read, are too large, or are not text.
    pub fn read_leniently(directory: &Path) -> Result<(Self, Vec<Finding>), Findings> {
        let mut reader = Reader { directory, left: ALL_BYTES };
        reader.astray()?;
        let policies = reader.files("", &["cedar"])?;
        let schema = reader.file("schema.cedarschema")?;
        let routes = reader.file("routes.yaml")?;
        let (tests, unread) = reader.tests();
        let sources = Self { schema, policies, routes, tests };
        sources.bounded()?;
        Ok((sources, unread))
    }

    /// Reads only the policies.
    ///
    /// # Errors
    ///
    /// Returns the files that cannot be read, are too large, or are not text.
    pub fn read_policies(directory: &Path) -> Result<Vec<File>, Findings> {
        let policies = Reader { directory, left: ALL_BYTES }.files("", &["cedar"])?;
        let findings = policies.iter().filter_map(|file| deep(file, LIMITS)).collect();
        Findings::none_of(findings).map(|()| policies)
    }

    /// Returns all files, in canonical order.
    pub fn all(&self) -> impl Iterator<Item = &File> {
        self.deciding().chain(&self.tests)
    }

    /// Returns the files that decide requests: all but the tests.
    pub fn deciding(&self) -> impl Iterator<Item = &File> {
        self.policies.iter().chain([&self.routes, &self.schema])
    }

    /// Returns the bundle of these files, without tests; `None` if schema or routes are missing.
    pub fn of(files: &[File]) -> Option<Self> {
        let named = |name: &str| files.iter().find(|file| file.name == name).cloned();
        let (schema, routes) = (named("schema.cedarschema")?, named("routes.yaml")?);
        let policies = files.iter().filter(|it| it.name != schema.name && it.name != routes.name);
        let mut policies: Vec<File> = policies.cloned().collect();
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self { schema, policies, routes, tests: Vec::new() })
    }

    /// Returns the SHA-256 over the names and contents of policies, routes and schema, in hexadecimal. The
    /// length of each part comes before it, so that no two bundles hash the same bytes.
    pub fn digest(&self) -> Arc<str> {
        let mut context = Context::new(&SHA256);
        for file in self.deciding() {
            for part in [&*file.name, &*file.text] {
                context.update(&(part.len() as u64).to_be_bytes());
                for piece in part.as_bytes().chunks(AT_ONCE) {
                    breathe();
                    context.update(piece);
                }
            }
        }
        let mut hex = String::with_capacity(64);
        for byte in context.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ok = write!(hex, "{byte:02x}");
        }
        Arc::from(hex)
    }

    fn bounded(&self) -> Result<(), Findings> {
        if self.schema.text.len() > SCHEMA_BYTES {
            return Err(too_much(&self.schema.name, "is longer than 4 MiB"));
        }
        let policies = self.policies.iter().filter_map(|file| deep(file, LIMITS));
        let schema = deep(&self.schema, Limits { angles: true, ..LIMITS });
        Findings::none_of(policies.chain(schema).collect())
    }
}

/// Returns a finding if a file of Cedar code is deeper than `limits`.
fn deep(file: &File, limits: Limits) -> Option<Finding> {
    let Limits { nesting, links, joins, .. } = limits;
    let message = format!(
        "is more than {nesting} brackets or `if`s, {links} links, or {joins} `&&` and `||` deep"
    );
    let offset = too_deep(&file.text, limits)?;
    Some(
        file.at(offset, &message, "take it apart: a list and `contains`, or several policies")
            .of_kind(Kind::TooMuch),
    )
}

/// Reads the files of a folder.
struct Reader<'a> {
    directory: &'a Path,
    /// The number of bytes that may still be read.
    left: usize,
}

impl Reader<'_> {
    /// Reads the files in a folder of the bundle with one of these endings, sorted by name.
    fn files(&mut self, below: &str, endings: &[&str]) -> Result<Vec<File>, Findings> {
        self.paths(below, endings)?.iter().map(|path| self.file(path)).collect()
    }

    /// Reads the test files, sorted by name. The findings are about those that cannot be read.
    fn tests(&mut self) -> (Vec<File>, Vec<Finding>) {
        if !self.directory.join(TESTS).is_dir() {
            return (Vec::new(), Vec::new());
        }
        let paths = match self.paths(TESTS, &["yaml", "yml"]) {
            Ok(paths) => paths,
            Err(Findings(findings)) => return (Vec::new(), findings),
        };
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        for path in paths {
            match self.file(&path) {
                Ok(file) => files.push(file),
                Err(Findings(findings)) => unread.extend(findings),
            }
        }
        (files, unread)
    }

    /// Returns the paths of the files in a folder of the bundle with one of these endings, sorted by name.
    fn paths(&self, below: &str, endings: &[&str]) -> Result<Vec<String>, Findings> {
        let names = self.names(below)?.into_iter();
        let wanted = names.filter(|name| ending(name).is_some_and(|it| endings.contains(&it)));
        let path = |name| if below.is_empty() { name } else { format!("{below}/{name}") };
        Ok(wanted.map(path).collect())
    }

    /// Rejects policies in places where the gate reads none: their author believes that they are in force.
    /// Hidden files and folders are not policies: editors create them, and so does a mounted `ConfigMap`.
    fn astray(&self) -> Result<(), Findings> {
        let mut findings = Vec::new();
        for name in self.names("")? {
            let below = self.directory.join(&name).is_dir();
            // Nothing in this folder would be read, so one that cannot be listed, such as `lost+found`, does no
            // harm.
            let inner = if below { self.names(&name).unwrap_or_default() } else { Vec::new() };
            let inner = inner.into_iter().map(|it| format!("{name}/{it}"));
            let misspelt = (!below && ending(&name) != Some("cedar")).then(|| name.clone());
            let lost = misspelt.into_iter().chain(inner).filter(|name| are_policies(name));
            findings.extend(lost.take(MOST - findings.len()).map(|name| {
                let message = "is not read: policies are the *.cedar in the bundle's folder itself";
                let remedy =
                    "move it there, with its ending in small letters, or out of the bundle";
                Finding::whole(&name, message, remedy).of_kind(Kind::UnreadFile)
            }));
        }
        Findings::none_of(findings)
    }

    /// Returns the names in a folder of the bundle that are not hidden, sorted.
    fn names(&self, below: &str) -> Result<Vec<String>, Findings> {
        let folder = if below.is_empty() { "." } else { below };
        let unreadable = |error: io::Error| unusable(folder, &format!("cannot be read: {error}"));
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.directory.join(below)).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
            if names.len() > FILES {
                return Err(too_much(folder, &format!("holds more than {FILES} files")));
            }
        }
        names.sort();
        Ok(names)
    }

    fn file(&mut self, name: &str) -> Result<File, Findings> {
        let path = self.directory.join(name);
        let unreadable = |error: io::Error| unusable(name, &format!("cannot be read: {error}"));
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        // Reading from a pipe could block for ever.
        if !metadata.is_file() {
            return Err(unusable(name, "is no file"));
        }
        let expected = metadata.len().min(FILE_BYTES);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
        let mut file = fs::File::open(&path).map_err(unreadable)?.take(FILE_BYTES + 1);
        while file.by_ref().take(AT_ONCE as u64).read_to_end(&mut bytes).map_err(unreadable)? > 0 {
            breathe();
        }
        if bytes.len() as u64 > FILE_BYTES {
            return Err(too_much(name, "is longer than 16 MiB"));
        }
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| too_much(name, "makes the bundle longer than 64 MiB"))?;
        text(name, &bytes)
    }
}

fn ending(name: &str) -> Option<&str> {
    Path::new(name).extension()?.to_str()
}

/// Whether a reader would take a file for policies.
fn are_policies(name: &str) -> bool {
    ending(name).is_some_and(|it| it.eq_ignore_ascii_case("cedar"))
}

fn unusable(name: &str, message: &str) -> Findings {
    let remedy =
        "a bundle is a folder with schema.cedarschema, *.cedar, routes.yaml and tests/*.yaml";
    Findings(vec![Finding::whole(name, message, remedy).of_kind(Kind::Unreadable)])
}

fn too_much(name: &str, message: &str) -> Findings {
    let remedy = "a bundle holds what people wrote: look at what this is";
    Findings(vec![Finding::whole(name, message, remedy).of_kind(Kind::TooMuch)])
}

/// Returns a file with its text, which must be plain UTF-8.
fn text(name: &str, bytes: &[u8]) -> Result<File, Findings> {
    let named = |text: &str| File { name: name.to_owned(), text: Arc::from(text) };
    let not_text = |finding: Finding| Findings(vec![finding.of_kind(Kind::NotText)]);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with('\u{feff}') => {
            let message = "begins with a byte order mark";
            Err(not_text(named(text).finding(1, 1, message, "save it as UTF-8 without one")))
        }
        Ok(text) => Ok(named(text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let good = named(&String::from_utf8_lossy(good));
            Err(not_text(good.at(good.text.len(), "is not UTF-8", "save it as UTF-8")))
        }
    }
}
