//! What is read, framed and sent: requests, answers, bodies, and their bounds.

mod answers;
mod bodies;
mod bounds;
mod browsers;
mod expectations;
mod half_said;
mod headers;
mod late_bodies;
mod limits;
mod properties;
mod raw;
mod streams;
mod targets;
mod uploads;
mod upstreams;
mod ways;
