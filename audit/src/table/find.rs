//! Finds records, page by page, oldest first.

use database::{DatabaseError, Pool};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};

use super::AuditTable;
use super::marks::ClockBack;
use super::record::restore;
use super::statement::Conditions;

/// How long before the time in its id a record may be: clocks are set back.
const BEFORE_ITS_ID: Duration = Duration::HOUR;
/// How long after the time in their id nearly all records are. An outcome that was closed at a later start may be
/// further.
const AFTER_ITS_ID: Duration = Duration::DAY;

/// The conditions on records: a record has to meet all of them. Conditions that are not set do not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The user (`user_id`).
    pub user: Option<String>,
    /// The organisation (`tenant_id`).
    pub tenant: Option<String>,
    /// The object: its id (`resource_id`), or `Type:id`.
    pub resource: Option<String>,
    /// The action (`action`).
    pub action: Option<String>,
    /// The decision: `allow`, `deny` or `error`.
    pub decision: Option<String>,
    /// The earliest time, inclusive.
    pub since: Option<OffsetDateTime>,
    /// The latest time, exclusive.
    pub until: Option<OffsetDateTime>,
    /// Where clocks were set back ([`AuditTable::clocks_back`]): records behind that count by the greatest time
    /// before it, too, so that `since` misses nothing.
    pub clocks_back: Vec<ClockBack>,
    /// Only records with a justification (`break_glass`).
    pub break_glass: bool,
    /// The id of the request.
    pub id: Option<String>,
    /// The type of event (`event_type`).
    pub event_type: Option<String>,
    /// Only records about objects of this type (`resource_type`), and no single object.
    pub list_of: Option<String>,
}

/// A position between two records: after the last one of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The time as the database wrote it.
    timestamp: String,
    id: String,
    phase: String,
}

/// Some records, and whether more follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Objects with the members that they have in the journal, ordered by `timestamp`, `id`, `phase`.
    pub records: Vec<Value>,
    /// The cursor of the next page; `None` if this is the last page.
    pub next: Option<Cursor>,
}

impl AuditTable {
    /// The records that match `filter`, oldest first: at most `limit` (at least one) of those after `after`. Each
    /// record that exists from the first page to the last is on exactly one page.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn find(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, DatabaseError> {
        let Some(made) = filter.id.as_deref().and_then(made_at) else {
            return self.page(filter, after, limit).await;
        };
        // An id has the time of its request: nearly always everything is in one or two partitions.
        let page = self.page(&filter.near(made), after, limit).await?;
        if page.records.iter().any(is_last) {
            return Ok(page);
        }
        self.page(&filter.from(made), after, limit).await
    }

    /// The plan of the database for the first page of `filter`, in its own words, one line each: for finding out why
    /// a query is slow.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn plan(&self, filter: &Filter, limit: u32) -> Result<Vec<String>, DatabaseError> {
        let made = filter.id.as_deref().and_then(made_at);
        let near = made.map_or_else(|| filter.clone(), |made| filter.near(made));
        near.conditions().plan(&self.pool, i64::from(limit)).await
    }

    async fn page(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, DatabaseError> {
        let mut conditions = filter.conditions();
        if let Some(cursor) = after {
            cursor.narrow(&mut conditions, &self.pool);
        }
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        // One more, to know whether there are more.
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = conditions.records(&self.pool, wanted).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(Cursor::after);
        let records = found.into_iter().map(|kept| Value::Object(restore(kept))).collect();
        Ok(Page { records, next })
    }
}

impl Filter {
    /// The filter, narrowed to the time in which nearly all records of an id are that was made at `made`.
    fn near(&self, made: OffsetDateTime) -> Self {
        let mut near = self.from(made);
        let end = made.saturating_add(AFTER_ITS_ID);
        near.until = Some(near.until.map_or(end, |until| until.min(end)));
        near
    }

    /// The filter, narrowed to the time in which all records of an id are that was made at `made`.
    fn from(&self, made: OffsetDateTime) -> Self {
        let mut from = self.clone();
        let begin = made.saturating_sub(BEFORE_ITS_ID);
        from.since = Some(from.since.map_or(begin, |since| since.max(begin)));
        from
    }

    /// Adds the condition for `since`: records of this time or later, and records made after the clock was set back
    /// from this time or later.
    fn since(&self, since: OffsetDateTime, all: &mut Conditions) {
        let at = all.time(since);
        let mut either = vec![format!("timestamp >= {at}")];
        for back in self.clocks_back.iter().filter(|back| back.greatest >= since) {
            let (instance, seq) = (all.text(&back.instance), all.number(back.seq));
            let greatest = all.time(back.greatest);
            either.push(format!(
                "(instance = {instance} and seq >= {seq} and timestamp < {greatest})"
            ));
        }
        all.holds(format!("({})", either.join(" or ")));
    }

    fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        for (column, wanted) in [
            ("id", &self.id),
            ("user_id", &self.user),
            ("tenant_id", &self.tenant),
            ("action", &self.action),
            ("decision", &self.decision),
            ("event_type", &self.event_type),
        ] {
            if let Some(wanted) = wanted {
                all.equals(column, wanted);
            }
        }
        if let Some(resource) = &self.resource {
            about(resource, &mut all);
        }
        if let Some(since) = self.since {
            self.since(since, &mut all);
        }
        if let Some(until) = self.until {
            let at = all.time(until);
            all.holds(format!("timestamp < {at}"));
        }
        if let Some(kind) = &self.list_of {
            all.equals("resource_type", kind);
            all.holds("resource_id is null");
        }
        if self.break_glass {
            all.holds("break_glass is not null");
        }
        all
    }
}

/// Adds the condition for an object. The id is compared in any case, because the index begins with it. Types contain
/// colons (`Clinic::Patient`), and so may ids: each colon may be the one between the two.
fn about(resource: &str, all: &mut Conditions) {
    let whole = all.text(resource);
    let (mut ids, mut either) = (vec![whole.clone()], vec![format!("resource_id = {whole}")]);
    for (at, _) in resource.match_indices(':') {
        let (kind, rest) = resource.split_at(at);
        let (kind, id) = (all.text(kind), all.text(rest.strip_prefix(':').unwrap_or_default()));
        either.push(format!("(resource_id = {id} and resource_type = {kind})"));
        ids.push(id);
    }
    all.holds(format!("resource_id in ({})", ids.join(", ")));
    all.holds(format!("({})", either.join(" or ")));
}

impl Cursor {
    fn after(record: &Map<String, Value>) -> Self {
        let text = |member| record.get(member).and_then(Value::as_str).unwrap_or_default();
        Self {
            timestamp: text("timestamp").to_owned(),
            id: text("id").to_owned(),
            phase: text("phase").to_owned(),
        }
    }

    /// Adds the conditions for records after the cursor. The time is in both: by the first one, partitions are
    /// skipped.
    fn narrow(&self, all: &mut Conditions, pool: &Pool) {
        let mut at = all.text(&self.timestamp);
        if matches!(pool, Pool::Postgres(_)) {
            at.push_str("::text::timestamptz");
        }
        let (id, phase) = (all.text(&self.id), all.text(&self.phase));
        all.holds(format!("timestamp >= {at}"));
        all.holds(format!("(timestamp, id, phase) > ({at}, {id}, {phase})"));
    }
}

/// The time at which an id was made, if the id has it (`UUIDv7`, RFC 9562, 5.7: the first 48 bits are milliseconds).
fn made_at(id: &str) -> Option<OffsetDateTime> {
    let hyphens = [8, 13, 18, 23];
    let is_spelled = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| {
            if hyphens.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        });
    let bits = u128::from_str_radix(&id.replace('-', ""), 16).ok().filter(|_| is_spelled)?;
    let millis = i128::try_from(bits >> 80).ok().filter(|_| (bits >> 76) & 0xf == 7)?;
    OffsetDateTime::from_unix_timestamp_nanos(millis.checked_mul(1_000_000)?).ok()
}

/// Whether the record is the last one about its request.
fn is_last(record: &Value) -> bool {
    let phase = record.get("phase").and_then(Value::as_str);
    matches!(phase, Some("denial" | "outcome"))
}

#[cfg(test)]
mod tests {
    use super::made_at;
    use time::macros::datetime;

    #[test]
    fn an_id_says_when_it_was_made() {
        // The example of RFC 9562, A.6.
        let made = made_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(made, Some(datetime!(2022-02-22 19:22:22 UTC)));
        for other in [
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
            "017f22e2-79b0-7cc3-98c4+dc0c0c07398f",
            "ä17f22e2-79b0-7cc3-98c4-dc0c0c0739",
            "",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }
}
