//! The inputs of a decision: the policy bundle, and the facts with their cache.
//!
//! [`bundle`] parses a folder of Cedar policies, a schema and a table of routes into one checked, versioned
//! value, and [`cases`] are its tests. [`facts`] are the database's rows about users, organisations and
//! objects. [`source`] is the interface to the databases, and [`sql`] implements it. [`breaker`] answers for a
//! database that is down, and [`cache`] keeps facts for at most their time to live.

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
