//! `cedargate token`.

use std::path::PathBuf;
use std::time::Duration;

use base::chain;
use proxy::mint;

use super::printing::{complain, print};
use super::{Done, Failure};

/// Print a signed token for manual tests
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// The issuer's private key, PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The subject of the token: the id of a user
    #[arg(long, value_name = "ID")]
    sub: String,
    /// The issuer of the token
    #[arg(long, default_value = "https://auth.cedargate.example")]
    issuer: String,
    /// The audience of the token
    #[arg(long, default_value = "cedargate")]
    audience: String,
    /// The lifetime of the token
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

impl Token {
    pub(super) fn run(self) -> Result<Done, Failure> {
        if let Some(mode) = base::private::too_open(&self.key) {
            complain(format_args!(
                "`{}` may be used by others (mode {mode:04o}); take that away with `chmod go=`",
                self.key.display()
            ));
        }
        let token = mint::mint(&self.key, &self.sub, &self.issuer, &self.audience, self.ttl);
        print(&token.map_err(|error| Failure::Usage(chain(&error)))?)?;
        Ok(Done::Fine)
    }
}
