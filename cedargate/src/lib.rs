//! The command line of `cedargate`.

mod cli;

pub use cli::{page, run};
