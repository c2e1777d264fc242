//! Proofs from outside: what clients, the upstream, operators and auditors see of the gate.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests share are tests too"
)]

mod admin;
mod admission;
mod alone;
mod answers;
mod audit_database;
mod auditor;
mod bodies;
mod book;
mod bounds;
mod browsers;
mod bundles;
mod clinics;
mod config;
mod crash;
mod database_tls;
mod delivery;
mod demo;
mod denials;
mod evenness;
mod expectations;
mod explain;
mod fast_paths;
mod faults;
mod findings;
mod freshness;
mod half_said;
mod headers;
mod immediacy;
mod issuers;
mod journal;
mod keys;
mod late_bodies;
mod limits;
mod logs;
mod mapping;
mod matrix;
mod model;
mod onboarding;
mod outages;
mod panics;
mod policy_tests;
mod power;
mod private;
mod properties;
mod raw;
mod records;
mod reference;
mod rotation;
mod security_team;
mod silent;
mod streams;
mod supervision;
mod support;
mod swaps;
mod tampering;
mod targets;
mod tidy;
mod tokens;
mod unheard;
mod unwritten;
mod uploads;
mod upstreams;
mod ways;
