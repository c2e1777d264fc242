//! Reads the files of a bundle, in bounded time and memory.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::finding::{Finding, Findings};

/// A file may be this long. The largest bundle that we have measured, 10,000 policies, is 4 MiB.
const FILE_BYTES: u64 = 16 << 20;
/// Brackets may be nested this deep: Cedar's parser recurses, and a stack that overflows ends the
/// process (`notes/cedar.md`).
const NESTING: usize = 64;

/// A file of a bundle.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

/// The files of a bundle, in canonical order.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) schema: File,
    pub(super) policies: Vec<File>,
    pub(super) routes: File,
}

impl Files {
    /// SHA-256 over names and contents, each with its length before it, so that no two bundles
    /// give the same bytes.
    pub(super) fn digest(&self) -> Arc<str> {
        let mut context = Context::new(&SHA256);
        let rest = [&self.routes, &self.schema];
        for file in self.policies.iter().chain(rest) {
            for part in [&file.name, &file.text] {
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
}

/// Reads the bundle in `directory`.
pub(super) fn directory(directory: &Path) -> Result<Files, Findings> {
    let mut names: Vec<String> = Vec::new();
    let entries = fs::read_dir(directory).map_err(|error| missing(directory, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| missing(directory, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && Path::new(&name).extension().is_some_and(|it| it == "cedar") {
            names.push(name);
        }
    }
    names.sort();
    let read = |name: &str| file(directory, name);
    let policies = names.iter().map(|name| read(name)).collect::<Result<Vec<_>, _>>()?;
    let files =
        Files { schema: read("schema.cedarschema")?, policies, routes: read("routes.yaml")? };
    for file in files.policies.iter().chain([&files.schema]) {
        shallow(file)?;
    }
    Ok(files)
}

fn missing(path: &Path, error: &std::io::Error) -> Findings {
    Findings(vec![Finding {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        message: format!("cannot be read: {error}"),
        remedy: "a bundle is a folder with schema.cedarschema, *.cedar and routes.yaml".to_owned(),
        source: String::new(),
    }])
}

fn file(directory: &Path, name: &str) -> Result<File, Findings> {
    let path = directory.join(name);
    let mut bytes = Vec::new();
    fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| missing(&path, &error))?;
    let named = |text: String| File { name: name.to_owned(), text };
    if bytes.len() as u64 > FILE_BYTES {
        let remedy = "split it into several files";
        return Err(Findings::one(&named(String::new()), 0, "is longer than 16 MiB", remedy));
    }
    String::from_utf8(bytes).map(named).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        Findings::one(&named(String::new()), line, "is not UTF-8", "save it as UTF-8")
    })
}

/// Refuses brackets that are nested too deep. Strings and comments do not count.
fn shallow(file: &File) -> Result<(), Findings> {
    let (mut depth, mut line) = (0_usize, 1_usize);
    let mut bytes = file.text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => line += 1,
            b'"' => line += skip_string(&mut bytes),
            b'/' if bytes.peek() == Some(&b'/') => {
                let _rest = bytes.find(|byte| *byte == b'\n');
                line += 1;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING {
            let message = format!("brackets are nested more than {NESTING} deep");
            return Err(Findings::one(file, line, &message, "take the expression apart"));
        }
    }
    Ok(())
}

/// Passes over a string; says how many lines it spans.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) -> usize {
    let mut lines = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'\n' => lines += 1,
            b'"' => break,
            _ => {}
        }
    }
    lines
}
