//! Explains failed cases: a failed case is run once more, with a witness that keeps the questions.

use std::collections::HashMap;
use std::sync::Arc;

use proxy::judge::pipeline::Witness;
use proxy::judge::trials::{Outcome, Runner, ask, tenancy};
use proxy::judge::workbench::{TTL, Workbench, WorkbenchError};
use serde::Serialize;

use crate::explain::report::{Allowlist, ClauseShown, Deciding};
use crate::explain::text::allowlist;
use crate::explain::{allowlists, deciding};

/// The maximum number of failures that are explained: more than these have one common cause.
const MOST: usize = 100;

/// The policies that explain an outcome.
#[derive(Debug, Serialize)]
pub struct Why {
    /// The guard that refused the request, or the allowlists that let it in.
    decided_by: Vec<Deciding>,
    /// The allowlists that could have let the request in, if none of them did.
    allowlists: Vec<Allowlist>,
}

/// Explanations of failed cases, by the number of the case.
pub type Whys = HashMap<usize, Why>;

/// Explains the failed cases, at most the first hundred.
///
/// # Errors
///
/// Fails if a case cannot be run at all.
pub fn explain(runner: &Runner, outcomes: &[Outcome]) -> Result<Whys, WorkbenchError> {
    let mut failed = outcomes.iter().filter(|outcome| !outcome.passed).take(MOST).peekable();
    if failed.peek().is_none() {
        return Ok(Whys::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| WorkbenchError::Parts(error.to_string()))?;
    runtime.block_on(async {
        let mut whys = Whys::new();
        let suite = Arc::clone(runner.suite());
        let (facts, tenancy) = (Arc::new(suite.facts.clone()), tenancy(&suite));
        let witness = Some(Arc::<Witness>::default());
        let bench = Workbench::over(Arc::clone(runner.bundles()), facts, tenancy, witness, TTL)?;
        // A remembered decision asks the policies nothing, so the witness would see no question.
        let bench = bench.forgetful();
        let published = runner.bundles().current();
        for outcome in failed {
            let Some(case) = suite.cases.get(outcome.case) else { continue };
            let verdict = bench.judge(&ask(case)).await?;
            let decided_by = deciding(&published.bundle, &verdict);
            let allowlists = allowlists(&published.bundle, &verdict);
            whys.insert(outcome.case, Why { decided_by, allowlists });
        }
        Ok(whys)
    })
}
impl Why {
    /// Returns lines for people: the policies that decided, each with its place and the results of its clauses.
    pub(super) fn lines(&self) -> Vec<String> {
        let decided = self.decided_by.iter().flat_map(|it| {
            let head = format!("by        {} ({}:{})", it.policy, it.file, it.line);
            let rows = it.clauses.iter().flat_map(ClauseShown::rows);
            let rows = rows.map(|(word, value, part)| format!("{word:<9} {value:<5}  {part}"));
            std::iter::once(head).chain(rows)
        });
        let not = self.allowlists.iter().map(|it| format!("not by    {}", allowlist(it)));
        decided.chain(not).collect()
    }
}
