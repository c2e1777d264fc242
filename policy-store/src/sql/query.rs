//! A statement as it is run, and what its rows say.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use sqlx::postgres::PgTypeInfo;

use super::cell::{Cell, Columns, Problem, Value};
use super::mapping::{Attribute, Form, KeyForm, ListForm, Mapping, Statement, Subject};
use crate::facts::{OrganizationFacts, OwnedFacts, UserFacts};

/// A statement with the columns that it gives.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) subject: Subject,
    pub(super) sql: Arc<str>,
    /// What its keys look like, where it was said.
    pub(super) key: Option<KeyForm>,
    pub(super) slots: Vec<Slot>,
    /// The type of its parameter, once Postgres was asked.
    pub(super) parameter: ArcSwapOption<PgTypeInfo>,
}

/// An attribute, and the column that it is read from.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) attribute: &'static Attribute,
    pub(super) column: String,
    /// Whether the mapping names the column.
    pub(super) named: bool,
    pub(super) list: Option<ListForm>,
    /// What the names in it are called in the bundle.
    names: BTreeMap<String, Arc<str>>,
}

/// The cells of a row, one for each slot; none where there is no such column.
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

    /// The cells of a row.
    pub(super) fn cells(&self, row: &impl Columns) -> Result<Cells, Problem> {
        let cell = |slot: &Slot| row.cell(&slot.column).map_err(|problem| slot.says(&problem));
        self.slots.iter().map(cell).collect()
    }

    /// What the rows for `asked` say together; nothing if none is about it. Whatever has one value
    /// has to have the same in all of them; lists with a name in each row are gathered.
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

    /// The ids in rows that were asked for nothing.
    pub(super) fn ids(&self, rows: Vec<Cells>) -> Result<Vec<Arc<str>>, Problem> {
        let mut ids = Vec::with_capacity(rows.len());
        for cells in rows {
            if let Some(mut row) = self.row(None, cells)? {
                ids.push(row.name("id")?);
            }
        }
        Ok(ids)
    }

    /// One row; nothing if it is about something else. A comparison in the database may take `Ann`
    /// for `ann`: here they are two.
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
    /// The attribute's value in a row.
    fn value(&self, cell: Option<Cell>) -> Result<Value, Problem> {
        let Some(cell) = cell else {
            // INVARIANT: nobody gains by an attribute that is empty here. Where a policy could see the
            // difference, the schema has it, and `check.rs` demands the column.
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

    /// The names as the bundle knows them, sorted and each once.
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

/// What the rows for a key say.
#[derive(Debug)]
pub(super) struct Found<'q> {
    values: Vec<(&'q Slot, Value)>,
}

impl Found<'_> {
    /// Puts another row of the same key to it.
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

/// A user.
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

/// An organisation.
pub(super) fn organization(mut found: Found<'_>) -> Result<OrganizationFacts, Problem> {
    Ok(OrganizationFacts {
        id: found.name("id")?,
        slug: found.name("slug")?,
        status: found.name("status")?,
        // What nobody says is so is taken to be gone.
        deleted: !matches!(found.take("deleted"), Some(Value::Flag(false))),
        features: found.names("features").unwrap_or_default(),
        workflows: found.names("workflows").unwrap_or_default(),
        group: found.optional("group"),
    })
}

/// Who owns an object.
#[expect(clippy::unnecessary_wraps, reason = "it is read as users and organisations are")]
pub(super) fn owned(mut found: Found<'_>) -> Result<OwnedFacts, Problem> {
    Ok(OwnedFacts {
        owner: found.optional("owner"),
        workflow: found.optional("workflow"),
        roles: found.names("roles"),
    })
}
