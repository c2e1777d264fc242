//! `cedargate migrate`.

use base::chain;
use database::migrate;

use super::printing::print;
use super::{Done, Failure, runtime};

/// Create or update the schema of a database
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// The database: sqlite:… or postgres://…
    #[arg(long, value_name = "URL")]
    database: String,
    /// Add the demo users and data, and print the password of new accounts
    #[cfg(feature = "demo")]
    #[arg(long)]
    demo: bool,
}

impl Migrate {
    pub(super) fn run(self) -> Result<Done, Failure> {
        runtime(Some(1))?.block_on(self.migrate())
    }

    async fn migrate(self) -> Result<Done, Failure> {
        let migrated = migrate(&self.database).await;
        migrated.map_err(|error| Failure::NotFine(chain(&error)))?;
        print("the schema is up to date")?;
        #[cfg(feature = "demo")]
        if self.demo {
            let password = super::demo::new_password()?;
            let seeded = backend::demo::seed(&self.database, &password).await;
            seeded.map_err(|error| Failure::NotFine(chain(&error)))?;
            print("the demo data is there; accounts that had no password have this one:")?;
            print(&password)?;
        }
        Ok(Done::Fine)
    }
}
