//! Records: how they are written, delivered, read and verified.

mod auditor;
mod crash;
mod database;
mod delivery;
mod journal;
mod power;
mod records;
mod tampering;
