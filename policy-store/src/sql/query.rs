//! A statement as it is run, and the facts in its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use sqlx::postgres::PgTypeInfo;

use super::cell::{Cell, Columns, Problem, Value};
use super::mapping::{Attribute, Form, KeyForm, ListForm, Mapping, Statement, Subject};
use crate::facts::{OrganizationFacts, OwnedFacts, UserFacts};

/// A statement with the columns that it selects.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) subject: Subject,
    pub(super) sql: Arc<str>,
    /// The form of the keys, if the mapping declares a form.
    pub(super) key: Option<KeyForm>,
    pub(super) slots: Vec<Slot>,
    /// The type of the statement's parameter, once Postgres has reported the type.
    pub(super) parameter: ArcSwapOption<PgTypeInfo>,
}

/// An attribute, and the column that fills it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) attribute: &'static Attribute,
    pub(super) column: String,
    /// Whether the mapping names the column.
    pub(super) named: bool,
    pub(super) list: Option<ListForm>,
    /// The bundle's names for the names in the column.
    names: BTreeMap<String, Arc<str>>,
}

/// The cells of a row, one for each slot; `None` where the row has no such column.
pub(super) type Cells = Vec<Option<Cell>>;

impl Query {
    pub(super) fn new(subject: Subject, statement: &Statement, mapping: &Mapping) -> Self {
        let slot = |attribute: &'static Attribute| {
            let renamed = mapping.names_of(attribute.name).into_iter().flatten();
            Slot {
                attribute,
                column: statement
                    .columns
                    .get(attribute.name)
                    .cloned()
                    .unwrap_or_else(|| attribute.name.to_owned()),
                named: statement.columns.contains_key(attribute.name),
                list: statement.lists.get(attribute.name).copied(),
                names: renamed
                    .map(|(theirs, ours)| (theirs.clone(), ours.as_str().into()))
                    .collect(),
            }
        };
        Self {
            slots: subject.attributes().iter().map(slot).collect(),
            sql: statement.sql.as_str().into(),
            key: statement.key,
            parameter: ArcSwapOption::empty(),
            subject,
        }
    }

    /// Returns the cells of a row.
    pub(super) fn cells(&self, row: &impl Columns) -> Result<Cells, Problem> {
        let cell = |slot: &Slot| row.cell(&slot.column).map_err(|problem| slot.says(&problem));
        self.slots.iter().map(cell).collect()
    }

    /// Combines the rows for the key `asked`; `None` if no row is about that key. A column with a single value
    /// must have the same value in all rows; lists with one name in each row are collected.
    pub(super) fn found(
        &self,
        asked: &str,
        rows: Vec<Cells>,
    ) -> Result<Option<Found<'_>>, Problem> {
        let mut found: Option<Found<'_>> = None;
        for cells in rows {
            let Some(row) = self.row(Some(asked), cells)? else { continue };
            match &mut found {
                None => found = Some(row),
                Some(found) => found.gather(row)?,
            }
        }
        Ok(found.map(Found::sorted))
    }

    /// Returns the ids in the rows of a statement without a key.
    pub(super) fn ids(&self, rows: Vec<Cells>) -> Result<Vec<Arc<str>>, Problem> {
        let mut ids = Vec::with_capacity(rows.len());
        for cells in rows {
            if let Some(mut row) = self.row(None, cells)? {
                ids.push(row.name("id")?);
            }
        }
        Ok(ids)
    }

    /// Reads one row; `None` if it is about another key. The database may consider `Ann` and `ann` equal, but
    /// here they are different.
    fn row(&self, asked: Option<&str>, cells: Cells) -> Result<Option<Found<'_>>, Problem> {
        let mut values = Vec::with_capacity(cells.len());
        for (slot, cell) in self.slots.iter().zip(cells) {
            let value = slot.value(cell)?;
            if let (Some(asked), Value::Name(name)) = (asked, &value)
                && slot.attribute.name == self.subject.key()
                && **name != *asked
            {
                return Ok(None);
            }
            values.push((slot, value));
        }
        Ok(Some(Found { values }))
    }
}

impl Slot {
    /// Returns the attribute's value in a row.
    fn value(&self, cell: Option<Cell>) -> Result<Value, Problem> {
        let Some(cell) = cell else {
            // INVARIANT: an attribute that is empty here gives nobody more access. If a policy could see the
            // difference, the schema declares the attribute, and `check.rs` requires the column.
            return if self.attribute.needed {
                Err(self.says("is not in the statement"))
            } else {
                Ok(Value::None)
            };
        };
        cell.into_value(self.attribute, self.list).map_err(|problem| self.says(&problem))
    }

    fn says(&self, problem: &str) -> Problem {
        format!("column `{}` {problem}", self.column)
    }

    fn gathers(&self) -> bool {
        self.attribute.form == Form::Names && self.list == Some(ListForm::Rows)
    }

    /// Replaces the names by the bundle's names, sorts them and removes duplicates.
    fn sorted(&self, names: &mut Vec<Arc<str>>) {
        for name in names.iter_mut() {
            if let Some(ours) = self.names.get(&**name) {
                *name = Arc::clone(ours);
            }
        }
        names.sort_unstable();
        names.dedup();
    }
}

/// The combined rows for a key.
#[derive(Debug)]
pub(super) struct Found<'q> {
    values: Vec<(&'q Slot, Value)>,
}

impl Found<'_> {
    /// Adds another row of the same key.
    fn gather(&mut self, other: Self) -> Result<(), Problem> {
        for ((slot, ours), (_, theirs)) in self.values.iter_mut().zip(other.values) {
            match (ours, theirs) {
                (Value::Names(ours), Value::Names(theirs)) if slot.gathers() => ours.extend(theirs),
                (ours, theirs) if *ours != theirs => {
                    return Err(slot.says("is not the same in all rows of one key"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        for (slot, value) in &mut self.values {
            if let Value::Names(names) = value {
                slot.sorted(names);
            }
        }
        self
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let found = self.values.iter_mut().find(|(slot, _)| slot.attribute.name == name);
        found.map(|(_, value)| std::mem::replace(value, Value::None))
    }

    fn optional(&mut self, name: &str) -> Option<Arc<str>> {
        if let Some(Value::Name(name)) = self.take(name) { Some(name) } else { None }
    }

    fn name(&mut self, name: &str) -> Result<Arc<str>, Problem> {
        self.optional(name).ok_or_else(|| format!("there is no `{name}`"))
    }

    fn names(&mut self, name: &str) -> Option<Vec<Arc<str>>> {
        if let Some(Value::Names(names)) = self.take(name) { Some(names) } else { None }
    }
}

/// Returns the facts about a user.
pub(super) fn user(mut found: Found<'_>) -> Result<UserFacts, Problem> {
    let tokens_valid_after = match found.take("tokens_valid_after") {
        Some(Value::Moment(seconds)) => Some(seconds),
        _ => None,
    };
    Ok(UserFacts {
        id: found.name("id")?,
        organization: found.optional("organization"),
        roles: found.names("roles").unwrap_or_default(),
        features: found.names("features").unwrap_or_default(),
        status: found.name("status")?,
        tokens_valid_after,
        revoked_tokens: found.names("revoked_tokens").unwrap_or_default(),
    })
}

/// Returns the facts about an organisation.
pub(super) fn organization(mut found: Found<'_>) -> Result<OrganizationFacts, Problem> {
    Ok(OrganizationFacts {
        id: found.name("id")?,
        slug: found.name("slug")?,
        status: found.name("status")?,
        // An organisation counts as deleted unless the row says that it is not.
        deleted: !matches!(found.take("deleted"), Some(Value::Flag(false))),
        features: found.names("features").unwrap_or_default(),
        workflows: found.names("workflows").unwrap_or_default(),
        group: found.optional("group"),
    })
}

/// Returns the facts about an object.
#[expect(clippy::unnecessary_wraps, reason = "it is read as users and organisations are")]
pub(super) fn owned(mut found: Found<'_>) -> Result<OwnedFacts, Problem> {
    Ok(OwnedFacts {
        owner: found.optional("owner"),
        workflow: found.optional("workflow"),
        roles: found.names("roles"),
    })
}
