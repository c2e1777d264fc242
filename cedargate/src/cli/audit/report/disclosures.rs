//! `cedargate audit report disclosures`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use audit::Phase;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::super::{Done, Failure};
use super::super::filter::{DecisionWord, Filter, moment};
use super::super::output::count;
use super::super::source::{Origin, Source};
use super::access::{Access, Tally, by_user, gather};
use super::columns::{COMMON, clock, object, tally};
use super::told::{access, head, justification, summary, table, word};
use super::{Layout, Ready};

/// The event type of accesses to health information.
const PHI: &str = "phi_access";

const COVERS: &str = "every request to this object that the gate let through, whether the upstream then \
    served it or not; `unknown` means that nobody knows: the gate or the connection died, or it is not \
    over";
const LEAVES_OUT: &str = "what was seen other than through this gate; objects that belong to this one \
    and have ids of their own; lists and searches, which name no single object: who made them is \
    counted at the end; what a journal has not delivered yet, if this is a database. How far records are \
    verified to be what gates wrote is said at the end. Which accesses are disclosures that have to be accounted for is not for the \
    gate to say";

/// Account for who saw or changed an object: each access that was let through (45 CFR 164.528)
///
/// An access counts at the time of its decision, and is joined with its outcome. The head of the report says what the
/// report covers and what it leaves out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: who saw a patient in the last six years

  cedargate audit report disclosures --resource Patient:4711 --since 2192d --format csv")]
pub(super) struct Disclosures {
    /// The object: its id, or `Type:id`
    #[arg(long, value_name = "OBJECT")]
    resource: String,
    /// Only accesses from this time on: RFC 3339, a date (UTC), or an age such as `7d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// Only accesses before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,
    #[command(flatten)]
    origin: Origin,
    #[command(flatten)]
    layout: Layout,
}

/// The lists of objects that were made, by user, tenant, action and type.
type Lists = BTreeMap<[String; 4], Tally>;

impl Disclosures {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let source = self.origin.open()?;
        let filter = Filter {
            resource: Some(self.resource.clone()),
            decision: Some(DecisionWord::Allow),
            since: self.since,
            until: self.until,
            ..Filter::default()
        };
        let (accesses, strange) = gather(&source, &filter)?;
        let kinds = kinds(&self.resource, &accesses);
        let lists = lists(&source, &filter, &kinds)?;
        let first = source.first()?.map(clock);
        let (text, json) = (
            self.text(&source, first.as_deref(), &accesses, &lists),
            self.json(&source, first.as_deref(), &accesses, &lists),
        );
        let ready = Ready { text, json, accesses, columns: COMMON.to_vec(), strange };
        ready.print(self.layout, &source)
    }

    fn text(
        &self,
        source: &Source,
        first: Option<&str>,
        accesses: &[Access],
        lists: &Lists,
    ) -> String {
        let users = by_user(accesses);
        let mut text = format!(
            "Accounting of accesses to {} (45 CFR 164.528)\n\n{}\n{} by {}\n\n",
            word(Some(&self.resource)),
            head(&[
                ("read from", source_told(source, first)),
                ("time", period(self.since, self.until)),
                ("covers", COVERS.to_owned()),
                ("leaves out", LEAVES_OUT.to_owned()),
            ]),
            count(accesses.len(), "access", "accesses"),
            count(users.len(), "user", "users"),
        );
        for it in accesses {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", access(it));
            if let Some(told) = justification(it) {
                let _ = writeln!(text, "    break-glass: {told}");
            }
        }
        if !accesses.is_empty() {
            let _ = write!(text, "\nby user:\n{}", summary(&users));
        }
        let _ = write!(text, "\nlists of objects of the same type, in which it may have been:\n");
        if lists.is_empty() {
            text.push_str("  none\n");
        } else {
            let mut rows = vec![
                ["user", "tenant", "action", "type", "times", "first", "last"]
                    .map(str::to_owned)
                    .to_vec(),
            ];
            rows.extend(lists.iter().map(|(who, tally)| {
                let mut row: Vec<String> = who.iter().map(|it| word(Some(it))).collect();
                row.push(tally.accesses.to_string());
                row.extend([clock(tally.first), clock(tally.last)]);
                row
            }));
            text.push_str(&table(&rows));
        }
        text
    }

    fn json(
        &self,
        source: &Source,
        first: Option<&str>,
        accesses: &[Access],
        lists: &Lists,
    ) -> Value {
        let lists = lists.iter().map(|([user, tenant, action, kind], tally)| {
            json!({
                "user": user, "tenant": tenant, "action": action, "resource_type": kind,
                "times": tally.accesses, "first": clock(tally.first), "last": clock(tally.last),
            })
        });
        json!({
            "report": "disclosures",
            "resource": self.resource,
            "source": source.name,
            "first_record": first,
            "since": self.since.map(clock),
            "until": self.until.map(clock),
            "covers": COVERS,
            "leaves_out": LEAVES_OUT,
            "accesses": accesses.iter().map(|it| object(it, &COMMON)).collect::<Vec<_>>(),
            "by_user": by_user(accesses).iter().map(|(user, it)| tally(user, it)).collect::<Vec<_>>(),
            "lists": lists.collect::<Vec<_>>(),
        })
    }
}

/// The source and the time of its first record, for the head of a report.
pub(super) fn source_told(source: &Source, first: Option<&str>) -> String {
    let since = first.map_or("which has no records".to_owned(), |at| {
        format!("whose first record is of {at}: it knows nothing of what was before")
    });
    format!("{}, {since}", source.name)
}

/// The period of a report, for its head.
pub(super) fn period(since: Option<OffsetDateTime>, until: Option<OffsetDateTime>) -> String {
    match (since.map(clock), until.map(clock)) {
        (None, None) => "all".to_owned(),
        (Some(since), None) => format!("from {since} on"),
        (None, Some(until)) => format!("before {until}"),
        (Some(since), Some(until)) => format!("from {since} on, before {until}"),
    }
}

/// The types of the object: those in the records, else the one in `resource`.
fn kinds(resource: &str, accesses: &[Access]) -> BTreeSet<String> {
    let seen = accesses.iter().filter_map(|it| it.decided.resource_type.as_deref());
    let mut kinds: BTreeSet<String> = seen.map(ToOwned::to_owned).collect();
    if kinds.is_empty() {
        kinds.extend(kind(resource).map(ToOwned::to_owned));
    }
    kinds
}

/// The type in `Clinic::Patient:a:7`: everything before the first single colon.
fn kind(resource: &str) -> Option<&str> {
    let colons: Vec<usize> = resource.match_indices(':').map(|(at, _)| at).collect();
    let alone = |at: &&usize| {
        let before = at.checked_sub(1).is_some_and(|before| colons.contains(&before));
        !before && !colons.contains(&at.saturating_add(1))
    };
    resource.get(..*colons.iter().find(alone)?)
}

/// The lists of objects of these types that were let through in the period of `filter`.
fn lists(source: &Source, filter: &Filter, kinds: &BTreeSet<String>) -> Result<Lists, Failure> {
    let mut lists = Lists::new();
    for kind in kinds {
        let filter = Filter {
            resource: None,
            list_of: Some(kind.clone()),
            event: Some(PHI.to_owned()),
            ..filter.clone()
        };
        source.each(&filter, |found| {
            let it = found.record;
            if it.phase == Phase::Intent {
                let all = [it.user_id, it.tenant_id, it.action, Some(kind.as_str().into())];
                let key = all.map(|text| text.as_deref().unwrap_or("-").to_owned());
                lists.entry(key).or_insert_with(|| Tally::at(it.timestamp)).count(it.timestamp);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn the_type_ends_at_the_first_colon_that_stands_alone() {
        for (resource, expected) in [
            ("Patient:7", Some("Patient")),
            ("Patient:a:7", Some("Patient")),
            ("Clinic::Patient:7", Some("Clinic::Patient")),
            ("7", None),
            ("Clinic::7", None),
        ] {
            assert_eq!(kind(resource), expected, "{resource}");
        }
    }
}
