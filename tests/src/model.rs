//! The reference model: `domain.md` written down a second time, as plainly as can be, to be
//! compared with the gate.
//!
//! It shares no code with the gate and has not read its policies; the tables of the contract are
//! its data (`data/`). A [`World`] is what a database may hold, a [`Request`] what somebody may
//! send, [`expected`] what has to become of it. [`draw`] makes both up at random, and [`shrink`]
//! makes what the two disagree about as small as it gets.

mod body;
mod canonical;
mod demo;
pub mod dice;
pub mod draw;
mod request;
mod routes;
mod rules;
pub mod shrink;
mod tally;
mod tenancy;
mod world;

pub use body::{Body, Content, Json};
pub use dice::Dice;
pub use request::Request;
pub use rules::{Expected, Outcome, expected};
pub use tally::Tally;
pub use world::{Names, Object, Organization, User, World};
