//! `cedargate audit report break-glass`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use policy_store::archive::Archive;
use policy_store::bundle::Bundle;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::super::{Done, Failure};
use super::super::filter::{Filter, moment};
use super::super::output::count;
use super::super::source::{Origin, Source};
use super::access::{Access, by_user, gather};
use super::columns::{BREAK_GLASS, COMMON, Column, clock, object, tally};
use super::disclosures::{period, source_told};
use super::told::{access, head, justification, summary, word};
use super::{Ready, ReportFormat};
use crate::explain::archived;
use crate::record::Phase;

const COVERS: &str = "every request that came with a justification on a route that is not public, let \
    in or refused, whether it needed it or not";
const LET_IN_BY_IT: &str = "`yes` (`true`): without the justification the request would have been \
    refused; `no` (`false`): it would have been let in anyway, the justification was merely sent; \
    `unknown` (`null`): the policies that decided are not in the archive, or it is not known where that \
    is; `refused`: it did not help";

/// Account for every break-glass justification that came with a request
///
/// Whether it was the justification that let a request in is read from the policies that decided,
/// which are kept in the archive: beside a journal, where the configuration says, or in `--archive`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the last month, for the privacy officer

  cedargate audit report break-glass --since 31d")]
pub(super) struct BreakGlass {
    /// Only from this time on: RFC 3339, a date (UTC), or so long ago, like `7d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,
    #[command(flatten)]
    origin: Origin,
    /// The folder of the bundles that were in force (`policies.archive`)
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
}

impl BreakGlass {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let source = self.origin.open()?;
        let filter =
            Filter { break_glass: true, since: self.since, until: self.until, ..Filter::default() };
        let (mut accesses, strange) = gather(&source, &filter)?;
        let mut bundles = Shelf::new(self.archive.clone().or(source.archive.clone()));
        for access in &mut accesses {
            access.by_justification = bundles.by_justification(access);
        }
        let first = source.first()?.map(clock);
        let columns: Vec<Column> = COMMON.into_iter().chain(BREAK_GLASS).collect();
        let text = self.text(&source, first.as_deref(), &accesses);
        let json = self.json(&source, first.as_deref(), &accesses, &columns);
        Ready { text, json, accesses, columns, strange }.print(self.format, &source)
    }

    fn text(&self, source: &Source, first: Option<&str>, accesses: &[Access]) -> String {
        let users = by_user(accesses);
        let mut text = format!(
            "Break-glass justifications\n\n{}\n{} by {}\n\n",
            head(&[
                ("read from", source_told(source, first)),
                ("time", period(self.since, self.until)),
                ("covers", COVERS.to_owned()),
                ("let in by it", LET_IN_BY_IT.to_owned()),
            ]),
            count(accesses.len(), "request", "requests"),
            count(users.len(), "user", "users"),
        );
        for it in accesses {
            let reason = word(Some(&it.decided.reason));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} object={} reason={reason}", access(it), of(it));
            let policies: Vec<String> =
                it.decided.policies.iter().map(|policy| word(Some(policy))).collect();
            let _ = writeln!(
                text,
                "    let in by it: {} (policies: {})",
                let_in(it),
                if policies.is_empty() { "-".to_owned() } else { policies.join(", ") }
            );
            let told = justification(it).unwrap_or_default();
            let _ = writeln!(text, "    justification: {told}");
        }
        if !accesses.is_empty() {
            let _ = write!(text, "\nby user:\n{}", summary(&users));
        }
        text
    }

    fn json(
        &self,
        source: &Source,
        first: Option<&str>,
        accesses: &[Access],
        columns: &[Column],
    ) -> Value {
        json!({
            "report": "break-glass",
            "source": source.name,
            "first_record": first,
            "since": self.since.map(clock),
            "until": self.until.map(clock),
            "covers": COVERS,
            "let_in_by_justification": LET_IN_BY_IT,
            "accesses": accesses.iter().map(|it| object(it, columns)).collect::<Vec<_>>(),
            "by_user": by_user(accesses).iter().map(|(user, it)| tally(user, it)).collect::<Vec<_>>(),
        })
    }
}

fn let_in(access: &Access) -> &'static str {
    match (access.decided.phase, access.by_justification) {
        (Phase::Denial, _) => "refused",
        (_, Some(true)) => "yes",
        (_, Some(false)) => "no",
        (_, None) => "unknown",
    }
}

/// The object of an access.
fn of(access: &Access) -> String {
    let it = &access.decided;
    format!("{}:{}", word(it.resource_type.as_deref()), word(it.resource_id.as_deref()))
}

/// The bundles that decided, each read once.
struct Shelf {
    archive: Option<Archive>,
    known: HashMap<Arc<str>, Option<Bundle>>,
}

impl Shelf {
    fn new(archive: Option<PathBuf>) -> Self {
        Self { archive: archive.map(Archive::new), known: HashMap::new() }
    }

    /// Whether policies that ask for a justification, and no others, let it in. A record names others
    /// alone if there are any (`decide.rs`).
    fn by_justification(&mut self, access: &Access) -> Option<bool> {
        let it = &access.decided;
        if it.phase == Phase::Denial {
            return Some(false);
        }
        if it.policies.is_empty() {
            return None;
        }
        let archive = self.archive.as_ref()?;
        let digest = it.policy_digest.as_ref()?;
        let bundle = self
            .known
            .entry(Arc::clone(digest))
            .or_insert_with(|| archived(archive, digest))
            .as_ref()?;
        let asks =
            |id: &Arc<str>| bundle.rules().find(|rule| rule.id == *id).map(|rule| rule.break_glass);
        it.policies.iter().map(asks).try_fold(true, |all, one| Some(all && one?))
    }
}
