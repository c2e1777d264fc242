//! The plain clinic application behind the gate.
//!
//! The application contains no authorization: who may do what was decided before a request got here, and the
//! `X-Auth-*` headers contain the result. All this crate does about tenants is to put the given tenant into every
//! statement. Reading order: [`server`](crate::Backend) binds and runs, `routes` lists what is served, each area has
//! a module of its own (`patients`, `codes`, `auth`, …), most of which use the table-driven statements of `resource`,
//! and `db` speaks both dialects.

mod audit;
mod auth;
mod body;
mod caller;
mod clock;
mod code_lists;
mod codes;
mod db;
/// The demo's people, organisations and objects.
pub mod demo;
mod error;
mod health;
mod invitations;
mod members;
mod organizations;
mod paging;
mod patients;
mod plain;
mod problem;
mod profile;
mod resource;
mod routes;
mod server;
mod sessions;
mod tables;
mod therapy;
mod workflows;

pub use error::BackendError;
pub use server::{Backend, BackendConfig};
