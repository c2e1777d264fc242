//! What a decision is made *from*: the policy bundle, and the facts with their cache.
//!
//! [`bundle`] reads a folder of Cedar policies, a schema and a table of routes into one checked,
//! versioned value, and [`cases`] are its tests. [`facts`] are what the database says about people, organisations and
//! objects; [`source`] is where they come from, [`sql`] the databases behind it, [`breaker`] what stands before one
//! that is down, and [`cache`] keeps them for at most their time to live.

pub mod archive;
pub mod breaker;
pub mod bundle;
pub mod cache;
pub mod cases;
pub mod facts;
pub mod routes;
pub mod source;
pub mod sql;
pub mod watch;
