//! The kinds of columns, which follow from their names.

/// The kind of a column. One name means one kind everywhere in the schema (a test compares this with the migrations),
/// so that a statement about any table can be put together from names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, and everything that has no kind of its own.
    Text,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A JSON object.
    Object,
    /// A list of names.
    List,
    /// A time.
    Time,
    /// A day.
    Date,
}

impl Kind {
    /// The kind of a column of this name.
    pub(crate) fn of(column: &str) -> Self {
        match column {
            "total_units" | "used_units" | "scheduled_units" | "units" | "unit_minutes"
            | "rate_cents" | "duration_seconds" | "position" | "upstream_status" | "seq" => {
                Self::Int
            }
            "is_super_admin" | "is_active" | "success" => Self::Bool,
            "features" | "workflows" | "settings" | "branding" | "details" | "transcript"
            | "metrics" | "data" | "recurrence" => Self::Object,
            "roles" | "enabled_features" | "credentials" | "required_credentials" | "policies" => {
                Self::List
            }
            "timestamp" | "tokens_valid_after" => Self::Time,
            "date_of_birth" => Self::Date,
            name if name.ends_with("_at") => Self::Time,
            name if name.ends_with("_date") => Self::Date,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    const MIGRATIONS: [&str; 6] = [
        include_str!("../../../migrations/postgres/0001_tenants_and_people.sql"),
        include_str!("../../../migrations/postgres/0002_codes.sql"),
        include_str!("../../../migrations/postgres/0003_clinic.sql"),
        include_str!("../../../migrations/postgres/0004_therapy.sql"),
        include_str!("../../../migrations/postgres/0005_audit.sql"),
        include_str!("../../../migrations/postgres/0008_audit_by_month.sql"),
    ];

    fn kind_in_schema(sql_type: &str) -> Option<Kind> {
        Some(match sql_type {
            "text" => Kind::Text,
            "bigint" => Kind::Int,
            "boolean" => Kind::Bool,
            "jsonb" => Kind::Object,
            "text[]" => Kind::List,
            "timestamptz" => Kind::Time,
            "date" => Kind::Date,
            _ => return None,
        })
    }

    #[test]
    fn a_name_means_one_kind_in_every_table() {
        for line in MIGRATIONS.iter().flat_map(|file| file.lines()) {
            let mut words = line.strip_prefix("    ").unwrap_or_default().split_whitespace();
            let name = words.next().unwrap_or_default();
            let sql_type = words.next().unwrap_or_default().trim_end_matches(',');
            // The status of a response is a number, every other status is a word. Nothing here writes the audit, so
            // only reading has to cope with that.
            if name == "constraint" || line.starts_with("    status bigint") {
                continue;
            }
            if let Some(kind) = kind_in_schema(sql_type) {
                assert_eq!(Kind::of(name), kind, "column `{name}`");
            }
        }
    }
}
