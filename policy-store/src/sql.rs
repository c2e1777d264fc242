//! Facts by SQL: implements [`FactSource`](crate::source::FactSource) for SQLite and PostgreSQL.

mod cell;
mod check;
mod held;
mod key;
mod mapping;
mod push;
mod query;
mod source;

use database::{CONNECTIONS, DatabaseError, Pool};

pub use mapping::{Mapping, Misfit};
pub use push::{CHANNEL, Push};
pub use source::SqlFacts;
