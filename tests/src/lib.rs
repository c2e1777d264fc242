//! What the tests stand on: a private PostgreSQL, an upstream that keeps every byte, a client that
//! sends any byte, people, tokens, and a [`stand::Stand`] that puts a gate between them.
//!
//! The tests themselves are in `it/`: a folder for each subject.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "only tests stand on this: a fault in it ends the test that met it, loudly"
)]

pub mod bad_tokens;
pub mod big;
pub mod binary;
pub mod book;
pub mod client;
pub mod example;
pub mod flips;
pub mod forger;
pub mod hostile_headers;
pub mod hostile_targets;
pub mod json_schema;
pub mod key_server;
pub mod metrics;
pub mod model;
pub mod people;
pub mod port;
pub mod postgres;
pub mod reader;
pub mod real_upstream;
pub mod records;
pub mod seed;
pub mod sql;
pub mod stand;
pub mod tokens;
pub mod upstream;
pub mod wait;
pub mod worlds;
pub mod writers;
