//! The command line of `cedargate`.

mod cli;

pub use cli::run;
