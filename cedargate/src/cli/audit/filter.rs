//! The filter that selects records.

use audit::{Decision, Record};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

/// The arguments that select records. A record has to match all of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Filter {
    /// Only records of this user
    #[arg(long, value_name = "ID")]
    pub(super) user: Option<String>,
    /// Only records in this tenant
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<String>,
    /// Only records about this object: its id, or `Type:id`
    #[arg(long, value_name = "OBJECT")]
    pub(super) resource: Option<String>,
    /// Only records of this Cedar action
    #[arg(long, value_name = "ACTION")]
    pub(super) action: Option<String>,
    /// Only records with this decision
    #[arg(long, value_enum)]
    pub(super) decision: Option<DecisionWord>,
    /// Only records of this event type: `phi_access`, `login`, `logout`, `api_access` or `gate`
    #[arg(long, value_name = "EVENT")]
    pub(super) event: Option<String>,
    /// Only records with a break-glass justification
    #[arg(long)]
    pub(super) break_glass: bool,
    /// Only records from this time on: RFC 3339, a date (UTC), or an age such as `7d`. For records after the clock
    /// was set back, the latest time before that counts, too
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<OffsetDateTime>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) until: Option<OffsetDateTime>,
    /// Only records that name this type of object and no single object.
    #[arg(skip)]
    pub(super) list_of: Option<String>,
}

/// The value of `--decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DecisionWord {
    /// The request was allowed
    Allow,
    /// The request was denied
    Deny,
    /// The gate could not decide
    Error,
}

impl DecisionWord {
    fn word(self) -> &'static str {
        match self {
            Self::Allow => Decision::Allow,
            Self::Deny => Decision::Deny,
            Self::Error => Decision::Error,
        }
        .as_str()
    }

    fn is(self, decision: Decision) -> bool {
        matches!(
            (self, decision),
            (Self::Allow, Decision::Allow)
                | (Self::Deny, Decision::Deny)
                | (Self::Error, Decision::Error)
        )
    }
}

impl Filter {
    /// Whether `record` matches. `behind` is the latest time before the clock was set back: it counts for `since`,
    /// too.
    pub(super) fn fits(&self, record: &Record, behind: Option<OffsetDateTime>) -> bool {
        let late = |since: OffsetDateTime| {
            record.timestamp >= since || behind.is_some_and(|behind| behind >= since)
        };
        self.since.is_none_or(late) && self.fits_but_for_since(record)
    }

    fn fits_but_for_since(&self, record: &Record) -> bool {
        fn same(wanted: Option<&String>, found: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted.as_str()))
        }
        same(self.user.as_ref(), record.user_id.as_deref())
            && same(self.tenant.as_ref(), record.tenant_id.as_deref())
            && same(self.action.as_ref(), record.action.as_deref())
            && same(self.event.as_ref(), record.event_type.as_deref())
            && (!self.break_glass || record.break_glass.is_some())
            && self.list_of.as_ref().is_none_or(|kind| {
                record.resource_id.is_none() && record.resource_type.as_deref() == Some(kind)
            })
            && self.resource.as_ref().is_none_or(|wanted| is_resource(wanted, record))
            && self.decision.is_none_or(|wanted| wanted.is(record.decision))
            && self.until.is_none_or(|until| record.timestamp < until)
    }

    /// The same filter, for a query of the audit table.
    pub(super) fn to_table(&self) -> audit::table::Filter {
        audit::table::Filter {
            user: self.user.clone(),
            tenant: self.tenant.clone(),
            resource: self.resource.clone(),
            action: self.action.clone(),
            decision: self.decision.map(|decision| decision.word().to_owned()),
            since: self.since,
            until: self.until,
            break_glass: self.break_glass,
            id: None,
            event_type: self.event.clone(),
            list_of: self.list_of.clone(),
            clocks_back: Vec::new(),
        }
    }
}

/// Whether `wanted` names the object of `record`: by its id, or by `Type:id`. An id may contain colons itself.
fn is_resource(wanted: &str, record: &Record) -> bool {
    let Some(id) = record.resource_id.as_deref() else { return false };
    if wanted == id {
        return true;
    }
    let kind = wanted.strip_suffix(id).and_then(|rest| rest.strip_suffix(':'));
    kind.is_some() && kind == record.resource_type.as_deref()
}

/// Parses a time: RFC 3339, a date, or an age that counts back from now.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    moment_from(text, super::now())
}

fn moment_from(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(at);
    }
    if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return Ok(day.midnight().assume_utc());
    }
    let back = humantime::parse_duration(text).ok().and_then(|it| Duration::try_from(it).ok());
    back.and_then(|back| now.checked_sub(back)).ok_or_else(|| {
        "a time is `2025-01-31T08:00:00Z`, `2025-01-31` or so long ago, like `7d` or `12h`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::Phase;
    use time::macros::datetime;
    use uuid::Uuid;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = datetime!(2025-01-31 12:00 UTC);
        let check =
            |text: &str, expected| assert_eq!(moment_from(text, now).ok(), expected, "{text}");
        check("2025-01-30T08:00:00+02:00", Some(datetime!(2025-01-30 6:00 UTC)));
        check("2025-01-30", Some(datetime!(2025-01-30 0:00 UTC)));
        check("7d", Some(datetime!(2025-01-24 12:00 UTC)));
        check("90 min", Some(datetime!(2025-01-31 10:30 UTC)));
        for wrong in ["", "yesterday", "2025-13-01", "-1d", "999999999999y"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_record_has_to_fit_all_that_is_said() {
        let mut record = Record::new(Uuid::nil(), Phase::Intent, datetime!(2025-01-02 3:04:05 UTC));
        record.user_id = Some("ann".into());
        record.resource_type = Some("Invoice".into());
        record.resource_id = Some("a:7".into());
        record.decision = Decision::Allow;
        let text = |text: &str| Some(text.to_owned());
        let fits = |filter: Filter| filter.fits(&record, None);
        assert!(fits(Filter::default()));
        assert!(fits(Filter { user: text("ann"), resource: text("a:7"), ..Filter::default() }));
        assert!(fits(Filter { resource: text("Invoice:a:7"), ..Filter::default() }));
        for other in ["7", "Note:a:7", ":a:7", "Invoice:a:77"] {
            assert!(!fits(Filter { resource: text(other), ..Filter::default() }), "{other}");
        }
        assert!(!fits(Filter { user: text("ann"), tenant: text("t"), ..Filter::default() }));
        let word = |decision| Filter { decision: Some(decision), ..Filter::default() };
        assert!(fits(word(DecisionWord::Allow)) && !fits(word(DecisionWord::Error)));
        let at = record.timestamp;
        assert!(fits(Filter { since: Some(at), ..Filter::default() }));
        assert!(!fits(Filter { until: Some(at), ..Filter::default() }));
    }
}
