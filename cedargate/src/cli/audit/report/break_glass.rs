//! `cedargate audit report break-glass`.

use std::fmt::Write as _;

use audit::Phase;
use audit::entry::BROKE_GLASS;
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
use super::{Layout, Ready};

const COVERS: &str = "every request that came with a justification on a route that is not public, let \
    in or refused, whether it needed it or not";
const LET_IN_BY_IT: &str = "`yes` (`true`): without the justification the request would have been \
    refused; `no` (`false`): it would have been let in anyway, the justification was merely sent; \
    `refused`: it did not help";

/// Account for every break-glass justification that came with a request
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the last month, for the privacy officer

  cedargate audit report break-glass --since 31d")]
pub(super) struct BreakGlass {
    /// Only requests from this time on: RFC 3339, a date (UTC), or an age such as `7d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// Only requests before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,
    #[command(flatten)]
    origin: Origin,
    #[command(flatten)]
    layout: Layout,
}

impl BreakGlass {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let source = self.origin.open()?;
        let filter =
            Filter { break_glass: true, since: self.since, until: self.until, ..Filter::default() };
        let (mut accesses, strange) = gather(&source, &filter)?;
        for access in &mut accesses {
            let said = access.decided.details.get(BROKE_GLASS);
            access.by_justification = said.and_then(Value::as_bool).unwrap_or(false);
        }
        let first = source.first()?.map(clock);
        let columns: Vec<Column> = COMMON.into_iter().chain(BREAK_GLASS).collect();
        let text = self.text(&source, first.as_deref(), &accesses);
        let json = self.json(&source, first.as_deref(), &accesses, &columns);
        Ready { text, json, accesses, columns, strange }.print(self.layout, &source)
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
        (_, true) => "yes",
        (_, false) => "no",
    }
}

/// The object of an access, as `Type:id`.
fn of(access: &Access) -> String {
    let it = &access.decided;
    format!("{}:{}", word(it.resource_type.as_deref()), word(it.resource_id.as_deref()))
}
