//! Conditions of a statement, each with its arguments.

use super::Arg;

/// What holds of the rows that a statement is about.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    all: Vec<String>,
    args: Vec<Arg>,
}

impl Conditions {
    /// Rows whose `column` holds a text.
    pub(crate) fn equals(&mut self, column: &str, value: &str) {
        let at = self.arg(Arg::text(value));
        self.holds(format!("{column} = {at}"));
    }

    /// Rows for which an expression holds.
    pub(crate) fn holds(&mut self, expression: impl Into<String>) {
        self.all.push(expression.into());
    }

    /// Adds an argument; gives its placeholder.
    pub(crate) fn arg(&mut self, arg: Arg) -> String {
        self.args.push(arg);
        format!("${}", self.args.len())
    }

    /// The expression for all of them, and the arguments.
    pub(crate) fn finish(self) -> (String, Vec<Arg>) {
        let all = if self.all.is_empty() { "true".to_owned() } else { self.all.join(" and ") };
        (all, self.args)
    }
}
