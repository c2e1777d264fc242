//! Who is believed, and what is allowed.

mod clinics;
mod denials;
mod evenness;
mod fast_paths;
mod issuers;
mod keys;
mod matrix;
mod model;
mod rotation;
mod tokens;
