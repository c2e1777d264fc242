//! Facts from a database: how fresh they are, how they are mapped, and what holds while the database fails.

mod database_tls;
mod freshness;
mod immediacy;
mod mapping;
mod onboarding;
mod outages;
