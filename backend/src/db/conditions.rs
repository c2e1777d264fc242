//! Conditions of a statement, each with its arguments.

use super::Arg;

/// The conditions on the rows of a statement.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    all: Vec<String>,
    args: Vec<Arg>,
}

impl Conditions {
    /// Adds the condition that `column` equals a text.
    pub(crate) fn equals(&mut self, column: &str, value: &str) {
        let at = self.arg(Arg::text(value));
        self.holds(format!("{column} = {at}"));
    }

    /// Adds the condition that an expression holds.
    pub(crate) fn holds(&mut self, expression: impl Into<String>) {
        self.all.push(expression.into());
    }

    /// Adds an argument. Returns its placeholder.
    pub(crate) fn arg(&mut self, arg: Arg) -> String {
        self.args.push(arg);
        format!("${}", self.args.len())
    }

    /// The expression for all conditions, and the arguments.
    pub(crate) fn finish(self) -> (String, Vec<Arg>) {
        let all = if self.all.is_empty() { "true".to_owned() } else { self.all.join(" and ") };
        (all, self.args)
    }
}
