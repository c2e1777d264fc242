//! What is wrong with a bundle, and where.

use std::fmt;
use std::path::Path;

use cedar_policy::{ValidationError, ValidationWarning};
use miette::Diagnostic;

use super::excerpt::{Excerpt, tame};
use super::kind::Kind;
use super::read::File;
use crate::routes::RouteFault;

/// So many findings are looked for: whoever has more has one cause, or means harm.
pub(super) const MOST: usize = 100;

/// The folder of tests, below the bundle's folder.
pub(super) const TESTS: &str = "tests";

/// One thing that is wrong: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What kind of thing it is.
    #[serde(rename = "rule")]
    pub kind: Kind,
    /// The file, as a path below the bundle's folder.
    pub file: String,
    /// Its line, from 1; 0 when the fault is the whole file's.
    pub line: usize,
    /// Its column, from 1, in characters; 0 when it is the whole line's.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The line itself: a window of it when it is long, and nothing in it that drives a terminal.
    pub source: String,
    /// Which character of `source` is meant, from 1; 0 when none is.
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
    /// A finding about a whole file or folder.
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

    /// The same, known to be of this kind.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// A finding about a bundle as a whole, or about one of its files as a whole.
    pub fn about(kind: Kind, file: &str, message: &str, remedy: &str) -> Self {
        Self::whole(file, message, remedy).of_kind(kind)
    }

    /// Whether it is about the tests of a bundle, which decide nothing.
    pub fn is_about_tests(&self) -> bool {
        self.file == TESTS || Path::new(&self.file).starts_with(TESTS)
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

    /// The same, known to be of this kind.
    #[must_use]
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        Self(self.0.into_iter().map(|it| it.of_kind(kind)).collect())
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

/// What kind of error of Cedar's validator it is.
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

/// What kind of warning of Cedar's validator it is.
pub(super) fn of_warning(warning: &ValidationWarning) -> Kind {
    match warning {
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
            Kind::ImpossiblePolicy
        }
        _ => Kind::Suspicious,
    }
}

/// The faults of a table of routes.
pub(super) fn of_routes(file: &File, faults: Vec<RouteFault>) -> Findings {
    let finding = |fault: RouteFault| {
        let (line, column) = fault.place;
        file.finding(line, column, &fault.problem, &fault.remedy).of_kind(fault.kind)
    };
    Findings(faults.into_iter().take(MOST).map(finding).collect())
}
