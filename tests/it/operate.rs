//! A gate as operators meet it: its configuration, its commands, its log, and its faults.

mod admin;
mod alone;
mod config;
mod demo;
mod faults;
mod logs;
mod panics;
mod private;
mod supervision;
mod unheard;
mod unwritten;
