//! The audit's table, `audit_logs`: where the gate's records can be asked for.

use std::time::Duration;

use super::{DatabaseError, Pool};

/// The columns, by the names of a record's members. The order is that of both statements.
macro_rules! columns {
    () => {
        "id, phase, timestamp, event_type, action, operation, user_id, organization_id, tenant_id, \
         roles, resource_type, resource_id, method, endpoint, route, decision, reason, policies, \
         policy_digest, facts_age_ms, break_glass, ip_address, user_agent, status, \
         upstream_status, success, duration_ms, details"
    };
}

/// `$1` is a JSON list of records. One that is there already stays as it is: a record may be
/// delivered again, and never changes.
const POSTGRES: &str = concat!(
    "insert into audit_logs (",
    columns!(),
    ") select r.id, r.phase, r.timestamp, coalesce(r.event_type, 'api_access'), \
     coalesce(r.action, 'unmapped'), r.operation, r.user_id, r.organization_id, r.tenant_id, \
     r.roles, r.resource_type, r.resource_id, r.method, r.endpoint, r.route, r.decision, r.reason, \
     r.policies, r.policy_digest, r.facts_age_ms, r.break_glass, r.ip_address, r.user_agent, \
     r.status, r.upstream_status, r.success, r.duration_ms, r.details \
     from jsonb_populate_recordset(null::audit_logs, $1::jsonb) r \
     on conflict (id, phase) do nothing"
);
const SQLITE: &str = concat!(
    "insert into audit_logs (",
    columns!(),
    ") select r.value ->> 'id', r.value ->> 'phase', r.value ->> 'timestamp', \
     coalesce(r.value ->> 'event_type', 'api_access'), coalesce(r.value ->> 'action', 'unmapped'), \
     r.value ->> 'operation', r.value ->> 'user_id', r.value ->> 'organization_id', \
     r.value ->> 'tenant_id', r.value -> 'roles', r.value ->> 'resource_type', \
     r.value ->> 'resource_id', r.value ->> 'method', r.value ->> 'endpoint', r.value ->> 'route', \
     r.value ->> 'decision', r.value ->> 'reason', r.value -> 'policies', \
     r.value ->> 'policy_digest', r.value ->> 'facts_age_ms', r.value ->> 'break_glass', \
     r.value ->> 'ip_address', r.value ->> 'user_agent', r.value ->> 'status', \
     r.value ->> 'upstream_status', r.value ->> 'success', r.value ->> 'duration_ms', \
     r.value -> 'details' from json_each($1) r where true \
     on conflict (id, phase) do nothing"
);

/// The audit's table in a database.
#[derive(Debug)]
pub struct AuditTable {
    pub(super) pool: Pool,
}

impl AuditTable {
    /// The table in the database at `url`. Connects when it is first used; no statement takes
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When the URL is no database URL.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, DatabaseError> {
        Ok(Self { pool: Pool::open(url, timeout)? })
    }

    /// Stores records, each a line of JSON: all of them, or none.
    ///
    /// # Errors
    ///
    /// When the database does not take them.
    pub async fn store(&self, lines: &[&str]) -> Result<(), DatabaseError> {
        let list = format!("[{}]", lines.join(","));
        match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query(SQLITE).bind(list).execute(pool).await?;
            }
            Pool::Postgres(pool) => {
                sqlx::query(POSTGRES).bind(list).execute(pool).await?;
            }
        }
        Ok(())
    }

    /// Whether the database takes statements at all.
    pub async fn is_up(&self) -> bool {
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::query("select 1").execute(pool).await.is_ok(),
            Pool::Postgres(pool) => sqlx::query("select 1").execute(pool).await.is_ok(),
        }
    }
}
