//! The audit: the records of each request, and the journal that keeps them.
//!
//! [`entry`] is one record, [`text`] makes text from clients safe to keep, and [`journal`] puts records on the local
//! disk before the gate acts on them. Everything else that needs the records (a database, a stream) reads them from
//! the journal.

pub mod delivery;
pub mod entry;
pub mod journal;
pub mod past;
pub mod reader;
pub mod text;
pub mod verify;

pub mod checkpoint;
mod encode;
pub mod lines;
pub mod mark;
mod page;
pub mod seal;
pub mod segments;
pub mod signing;
mod spelling;
pub mod table;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use entry::{Decision, Phase, Record, Word};
pub use journal::{
    Delivered, Durability, Journal, JournalConfig, JournalError, OnDamage, Recovered, Unrecordable,
};
pub use page::page;
pub use seal::{Head, Position};
pub use signing::{PublicKey, Signer, SigningError};
pub use spelling::spell;
pub use table::AuditTable;
