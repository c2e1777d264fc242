//! Adds records.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use database::{DatabaseError, Pool};
use serde::Deserialize;
use sqlx::PgPool;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

use super::{AuditTable, fault};

/// The columns, by the names of a record's members. The order is that of both statements.
macro_rules! columns {
    () => {
        "id, phase, timestamp, event_type, action, operation, user_id, organization_id, tenant_id, \
         roles, resource_type, resource_id, method, endpoint, route, decision, reason, policies, \
         policy_digest, facts_age_ms, break_glass, ip_address, user_agent, status, \
         upstream_status, success, duration_ms, details, instance, seq, chain, durability"
    };
}

/// `$1` is a JSON list of records. A record that exists already stays as it is: a record may be delivered again, and
/// never changes. Records are inserted in one order, so that two writers of the same records wait for each other
/// without a deadlock.
const POSTGRES: &str = concat!(
    "insert into audit_logs (",
    columns!(),
    ", details_text) select ",
    columns!(),
    ", (r.value -> 'details')::text from json_array_elements($1::json) r (value), \
     lateral json_populate_record(null::audit_logs, r.value) order by id, phase, timestamp \
     on conflict do nothing"
);
const SQLITE: &str = concat!(
    "insert into audit_logs (",
    columns!(),
    ") select r.value ->> 'id', r.value ->> 'phase', r.value ->> 'timestamp', \
     r.value ->> 'event_type', r.value ->> 'action', \
     r.value ->> 'operation', r.value ->> 'user_id', r.value ->> 'organization_id', \
     r.value ->> 'tenant_id', r.value -> 'roles', r.value ->> 'resource_type', \
     r.value ->> 'resource_id', r.value ->> 'method', r.value ->> 'endpoint', r.value ->> 'route', \
     r.value ->> 'decision', r.value ->> 'reason', r.value -> 'policies', \
     r.value ->> 'policy_digest', r.value ->> 'facts_age_ms', r.value ->> 'break_glass', \
     r.value ->> 'ip_address', r.value ->> 'user_agent', r.value ->> 'status', \
     r.value ->> 'upstream_status', r.value ->> 'success', r.value ->> 'duration_ms', \
     r.value -> 'details', r.value ->> 'instance', r.value ->> 'seq', r.value ->> 'chain', \
     r.value ->> 'durability' \
     from json_each($1) r where true \
     on conflict (id, phase) do nothing"
);

impl AuditTable {
    /// Stores records, each a line of JSON: all of them, or none. A record that exists already stays as it is, so the
    /// same batch may be stored again.
    ///
    /// # Errors
    ///
    /// Fails if the database does not take the records; with [`DatabaseError::Unmigrated`] if the table is missing or
    /// not as this version needs it.
    pub async fn store(&self, lines: &[&str]) -> Result<(), DatabaseError> {
        let list = format!("[{}]", lines.join(","));
        match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query(SQLITE).bind(list).execute(pool).await.map_err(fault)?;
            }
            Pool::Postgres(pool) => {
                self.months.ensure(pool, lines).await?;
                let stored = sqlx::query(POSTGRES).bind(list).execute(pool).await;
                // A month may have been removed since: the next attempt asks for it again.
                stored.inspect_err(|_| self.months.forget()).map_err(fault)?;
            }
        }
        Ok(())
    }
}

/// The months (their first days, UTC) that are known to have a partition.
#[derive(Debug, Default)]
pub(super) struct Months(Mutex<BTreeSet<Date>>);

impl Months {
    /// Makes sure that each of these records has a partition to go to. Asks only about unknown months.
    async fn ensure(&self, pool: &PgPool, lines: &[&str]) -> Result<(), DatabaseError> {
        let mut needed: BTreeSet<Date> = lines.iter().filter_map(|line| month_of(line)).collect();
        needed.retain(|month| !self.known().contains(month));
        for month in needed {
            let begin = month.midnight().assume_utc();
            let made = sqlx::query("select cedargate_audit_partition($1)").bind(begin);
            made.execute(pool).await.map_err(fault)?;
            self.known().insert(month);
        }
        Ok(())
    }

    fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<Date>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a record that determines its partition.
#[derive(Deserialize)]
struct Dated<'line> {
    #[serde(borrow)]
    timestamp: Cow<'line, str>,
}

/// The first day of a record's month; `None` without a valid time, about which the database then complains.
fn month_of(line: &str) -> Option<Date> {
    let dated: Dated<'_> = serde_json::from_str(line).ok()?;
    let at = OffsetDateTime::parse(&dated.timestamp, &Rfc3339).ok()?;
    at.to_offset(UtcOffset::UTC).date().replace_day(1).ok()
}

#[cfg(test)]
mod tests {
    use super::month_of;
    use time::macros::date;

    #[test]
    fn a_month_is_one_of_utc() {
        let line = |at: &str| format!(r#"{{"id":"a","timestamp":"{at}","details":{{}}}}"#);
        for (at, month) in [
            ("2025-01-31T23:59:59.999999Z", Some(date!(2025 - 01 - 01))),
            ("2025-02-01T00:00:00.000000Z", Some(date!(2025 - 02 - 01))),
            ("2025-02-01T00:30:00+01:00", Some(date!(2025 - 01 - 01))),
            ("yesterday", None),
        ] {
            assert_eq!(month_of(&line(at)), month, "{at}");
        }
        assert_eq!(month_of(r#"{"id":"a"}"#), None);
    }
}
