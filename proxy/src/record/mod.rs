//! The audit: what is said of each request, and the journal that keeps it.
//!
//! [`entry`] is one line of it, [`text`] makes strangers' words safe to keep, and [`journal`] puts
//! lines on the local disk before anybody acts on them. Whatever else wants the records (a
//! database, a stream) reads them from the journal.

pub(crate) mod delivery;
pub mod entry;
pub mod journal;
pub(crate) mod past;
pub(crate) mod reader;
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

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use entry::{Decision, Phase, Record, Word};
pub use journal::{
    Delivered, Durability, Journal, JournalConfig, JournalError, OnDamage, Recovered, Unrecordable,
};
pub use page::page;
pub use seal::{Head, Position};
pub use signing::{PublicKey, Signer, SigningError};
pub(crate) use spelling::spell;
