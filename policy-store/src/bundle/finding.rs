//! What is wrong with a bundle, and where.

use std::fmt;

use miette::Diagnostic;

use super::read::File;
use crate::routes::RouteFault;

/// One thing that is wrong: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, as a path below the bundle's folder.
    pub file: String,
    /// Its line, from 1; 0 when the fault is the whole file's.
    pub line: usize,
    /// Its column, from 1; 0 when unknown.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The line itself.
    pub source: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.source.is_empty() {
            write!(f, "\n    | {}", self.source)?;
        }
        if self.column > 0 {
            write!(f, "\n    | {:>width$}", "^", width = self.column)?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n    = {}", self.remedy)?;
        }
        Ok(())
    }
}

/// All that is wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl Findings {
    /// One finding, in line `line` of `file`.
    pub(super) fn one(file: &File, line: usize, message: &str, remedy: &str) -> Self {
        Self(vec![file.finding(line, 0, message, remedy)])
    }

    /// No findings at all, or all of them.
    pub(super) fn none_of(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self(findings)) }
    }
}

impl File {
    /// A finding in this file.
    pub(crate) fn finding(
        &self,
        line: usize,
        column: usize,
        message: &str,
        remedy: &str,
    ) -> Finding {
        let source = line.checked_sub(1).and_then(|index| self.text.lines().nth(index));
        Finding {
            file: self.name.clone(),
            line,
            column,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
            source: source.unwrap_or_default().chars().take(200).collect(),
        }
    }

    /// A finding at a byte of this file.
    pub(super) fn at(&self, offset: usize, message: &str, remedy: &str) -> Finding {
        let (line, column) = self.place(offset);
        self.finding(line, column, message, remedy)
    }

    /// Line and column of a byte of this file, both from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// Findings of Cedar about one file, or about a part of it that begins at `base`: it says where in
/// labels, and what to do in a help.
pub(super) fn of_file(file: &File, base: usize, fault: &dyn Diagnostic) -> Vec<Finding> {
    let mut findings = vec![of_diagnostic(file, base, fault)];
    if let Some(related) = fault.related() {
        findings.extend(related.map(|other| of_diagnostic(file, base, other)));
    }
    findings
}

fn of_diagnostic(file: &File, base: usize, fault: &dyn Diagnostic) -> Finding {
    let offset = fault.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let remedy = fault.help().map_or_else(
        || "correct it as the message says; `cedargate check` tries again".to_owned(),
        |help| help.to_string(),
    );
    match offset {
        None if base == 0 => file.finding(0, 0, &fault.to_string(), &remedy),
        offset => file.at(base + offset.unwrap_or(0), &fault.to_string(), &remedy),
    }
}

/// The faults of a table of routes.
pub(super) fn of_routes(file: &File, faults: Vec<RouteFault>) -> Findings {
    let findings = faults
        .into_iter()
        .map(|fault| file.finding(fault.line, 0, &fault.problem, &fault.remedy))
        .collect();
    Findings(findings)
}
