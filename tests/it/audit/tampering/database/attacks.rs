//! What somebody does who owns the database.

use super::filled::Kind;

/// SQL for each database.
pub(super) struct Attack {
    sqlite: String,
    postgres: String,
}

impl Attack {
    fn both(sql: &str) -> Self {
        let zeros = format!("'{}'", "0".repeat(64));
        let sql = sql.replace("ZEROS", &zeros);
        let journal = "(select min(instance) from audit_checkpoints)";
        let sql = sql.replace("JOURNAL", journal);
        Self {
            sqlite: sql.replace("NOBODY", "'[\"NOBODY\"]'"),
            postgres: sql.replace("NOBODY", "array['NOBODY']"),
        }
    }

    /// Changes a row.
    pub(super) fn update(seq: u64, change: &str) -> Self {
        Self::both(&format!("update audit_logs set {change} where seq = {seq}"))
    }

    /// Changes the details of a row, in both of its columns.
    pub(super) fn details(seq: u64) -> Self {
        let sql = |columns: &str| format!("update audit_logs set {columns} where seq = {seq}");
        Self {
            sqlite: sql(r#"details = '{"mine":1}'"#),
            postgres: sql(r#"details = '{"mine":1}', details_text = '{"mine":1}'"#),
        }
    }

    pub(super) fn delete(rows: &str) -> Self {
        Self::both(&format!("delete from audit_logs where {rows}"))
    }

    /// Cuts everything off behind a record.
    pub(super) fn cut(seq: u64) -> Self {
        Self::both(&format!(
            "delete from audit_logs where seq > {seq}; delete from audit_checkpoints where seq > {seq}"
        ))
    }

    /// Takes checkpoints out.
    pub(super) fn unvouch(lines: &str) -> Self {
        Self::both(&format!("delete from audit_checkpoints where {lines}"))
    }

    /// Lets a checkpoint have another time.
    pub(super) fn forge_checkpoint() -> Self {
        Self::both(
            "update audit_checkpoints set line = replace(line, '\"settled\":', '\"settled\": ') where number = 2",
        )
    }

    /// Puts a row in that is the copy of another one but for its id and its place.
    pub(super) fn copy_row(of: u64, instance: &str, seq: u64) -> Self {
        let columns =
            "phase, event_type, action, user_id, roles, decision, reason, policies, chain";
        let (at, seq) = ("timestamp", if seq == 0 { "null".to_owned() } else { seq.to_string() });
        Self::both(&format!(
            "insert into audit_logs (id, {at}, details, instance, seq, {columns}) \
             select 'forged', {at}, details, {instance}, {seq}, {columns} from audit_logs where seq = {of}"
        ))
    }

    pub(super) fn sql(&self, kind: Kind) -> &str {
        match kind {
            Kind::Sqlite => &self.sqlite,
            Kind::Postgres => &self.postgres,
        }
    }
}

/// Takes the triggers away that keep rows as they are.
pub(super) const DISARM_SQLITE: &str = "drop trigger audit_logs_stay; drop trigger audit_logs_stay_six_years; \
    drop trigger audit_logs_stay_once; drop trigger audit_checkpoints_stay; \
    drop trigger audit_checkpoints_stay_for_ever; drop trigger audit_retained_stay; \
    drop trigger audit_retained_stay_for_ever";
pub(super) const DISARM_POSTGRES: &str = "do $$ declare it record; begin \
    for it in select tgname, tgrelid::regclass as place from pg_trigger where tgname like 'audit\\_%stay' loop \
    execute format('drop trigger if exists %I on %s', it.tgname, it.place); end loop; end $$";
