//! What is wrong with a bundle, and where.

use std::fmt;
use std::path::Path;

use cedar_policy::{ValidationError, ValidationWarning};
use miette::Diagnostic;

use super::excerpt::{Excerpt, tame};
use super::kind::Kind;
use super::read::File;
use crate::routes::RouteFault;

/// The maximum number of findings: a bundle with more has one common cause, or is malicious.
pub(super) const MOST: usize = 100;

/// The folder of tests, below the bundle's folder.
pub(super) const TESTS: &str = "tests";

/// One thing that is wrong with a bundle: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The kind of the finding.
    #[serde(rename = "rule")]
    pub kind: Kind,
    /// The file, as a path below the bundle's folder.
    pub file: String,
    /// The line in the file, from 1; 0 for the whole file.
    pub line: usize,
    /// The column in the line, from 1, in characters; 0 for the whole line.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to correct the fault.
    pub remedy: String,
    /// The text of the line: only a window of a long line, and without control characters.
    pub source: String,
    /// The marked character of `source`, from 1; 0 for none.
    #[serde(skip)]
    pub caret: usize,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", tame(&self.file).replace('\n', "\\n"))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {} [{}]", self.message.replace('\n', "\n      "), self.kind.name())?;
        if !self.source.is_empty() {
            write!(f, "\n    | {}", self.source)?;
        }
        if self.caret > 0 {
            write!(f, "\n    | {}^", Excerpt::margin(&self.source, self.caret))?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n    = {}", self.remedy.replace('\n', "\n      "))?;
        }
        Ok(())
    }
}

impl Finding {
    /// Returns a finding about a whole file or folder.
    pub(super) fn whole(file: &str, message: &str, remedy: &str) -> Self {
        Self {
            kind: Kind::Invalid,
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: tame(message),
            remedy: tame(remedy),
            source: String::new(),
            caret: 0,
        }
    }

    /// Returns the finding with another kind.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns a finding about a bundle as a whole, or about one of its files as a whole.
    pub fn about(kind: Kind, file: &str, message: &str, remedy: &str) -> Self {
        Self::whole(file, message, remedy).of_kind(kind)
    }

    /// Whether the finding is about the tests of a bundle, which decide nothing.
    pub fn is_about_tests(&self) -> bool {
        self.file == TESTS || Path::new(&self.file).starts_with(TESTS)
    }
}

/// The findings about a bundle.
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
    /// Returns a single finding, in line `line` of `file`.
    pub(super) fn one(file: &File, line: usize, message: &str, remedy: &str) -> Self {
        Self(vec![file.finding(line, 0, message, remedy)])
    }

    /// Returns the findings with another kind.
    #[must_use]
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        Self(self.0.into_iter().map(|it| it.of_kind(kind)).collect())
    }

    /// Returns `Ok` if there are no findings, and all of them as the error if there are any.
    pub(super) fn none_of(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self(findings)) }
    }
}

impl File {
    /// Returns a finding in this file.
    pub(crate) fn finding(
        &self,
        line: usize,
        column: usize,
        message: &str,
        remedy: &str,
    ) -> Finding {
        let text = line.checked_sub(1).and_then(|index| self.text.lines().nth(index));
        let excerpt = text.map(|text| Excerpt::of(text, column)).unwrap_or_default();
        Finding {
            line,
            column,
            source: excerpt.text,
            caret: excerpt.caret,
            ..Finding::whole(&self.name, message, remedy)
        }
    }

    /// Returns a finding at a byte of this file.
    pub(super) fn at(&self, offset: usize, message: &str, remedy: &str) -> Finding {
        let (line, column) = self.place(offset);
        self.finding(line, column, message, remedy)
    }

    /// Returns line and column of a byte of this file, both from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// Converts an error of Cedar about one file, or about the part of the file that begins at `base`, to findings.
/// The labels of the error give the places, its help the remedies.
pub(super) fn of_file(
    file: &File,
    base: usize,
    kind: Kind,
    fault: &dyn Diagnostic,
) -> Vec<Finding> {
    let related = fault.related().into_iter().flatten();
    let all = std::iter::once(fault).chain(related).take(MOST);
    all.map(|fault| of_diagnostic(file, base, kind, fault)).collect()
}

fn of_diagnostic(file: &File, base: usize, kind: Kind, fault: &dyn Diagnostic) -> Finding {
    let label = fault.labels().and_then(|mut labels| labels.next());
    let said = label.as_ref().and_then(|label| label.label()).map(|it| format!(": {it}"));
    let message = format!("{fault}{}", said.unwrap_or_default());
    let usual = match kind {
        Kind::ImpossiblePolicy => "correct its scope or its condition, or remove it",
        Kind::Suspicious => "write it in plain letters",
        _ => "correct it as the message says; `cedargate check` tries again",
    };
    let remedy = fault.help().map_or_else(|| usual.to_owned(), |help| help.to_string());
    let finding = match label.map(|label| label.offset()) {
        None if base == 0 => file.finding(0, 0, &message, &remedy),
        offset => file.at(base + offset.unwrap_or(0), &message, &remedy),
    };
    finding.of_kind(kind)
}

/// Returns the kind of finding for an error of Cedar's validator.
pub(super) fn of_error(error: &ValidationError) -> Kind {
    match error {
        ValidationError::UnrecognizedEntityType(_)
        | ValidationError::UnrecognizedActionId(_)
        | ValidationError::UndefinedFunction(_)
        | ValidationError::InvalidEnumEntity(_) => Kind::UnknownName,
        ValidationError::UnsafeAttributeAccess(_)
        | ValidationError::UnsafeOptionalAttributeAccess(_) => Kind::UnknownAttribute,
        ValidationError::InvalidActionApplication(_) => Kind::ImpossiblePolicy,
        _ => Kind::TypeError,
    }
}

/// Returns the kind of finding for a warning of Cedar's validator.
pub(super) fn of_warning(warning: &ValidationWarning) -> Kind {
    match warning {
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
            Kind::ImpossiblePolicy
        }
        _ => Kind::Suspicious,
    }
}

/// Converts the faults of a table of routes to findings.
pub(super) fn of_routes(file: &File, faults: Vec<RouteFault>) -> Findings {
    let finding = |fault: RouteFault| {
        let (line, column) = fault.place;
        file.finding(line, column, &fault.problem, &fault.remedy).of_kind(fault.kind)
    };
    Findings(faults.into_iter().take(MOST).map(finding).collect())
}
