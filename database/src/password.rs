//! The database's password, in a file that may change: secrets are rotated while gates run.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::supervise::Supervisor;
use tokio::time::sleep;

use crate::{DatabaseError, Pool};

/// The interval between two looks at the file.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);

/// A file that contains a password and nothing else; white space around it is ignored.
#[derive(Debug, Clone)]
pub struct PasswordFile(PathBuf);

impl PasswordFile {
    /// The file at `path`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn read(&self) -> Result<String, DatabaseError> {
        let text = std::fs::read_to_string(&self.0)
            .map_err(|error| DatabaseError::Password(self.0.clone(), error))?;
        Ok(text.trim().to_owned())
    }

    /// Makes new connections of `pool` sign in with the current password.
    fn apply(&self, pool: &Pool) -> Result<(), DatabaseError> {
        let password = self.read()?;
        if let Pool::Postgres(pool) = pool {
            let options = (*pool.connect_options()).clone().password(&password);
            pool.set_connect_options(options);
        }
        Ok(())
    }

    /// Makes new connections of `pool` sign in with the password in the file. Returns the task that does so again
    /// whenever the file has changed.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn supervised(
        self,
        pool: &Pool,
        supervisor: &Supervisor,
    ) -> Result<impl Future<Output = ()> + Send + 'static + use<>, DatabaseError> {
        self.apply(pool)?;
        let (file, pool) = (Arc::new(self), pool.clone());
        Ok(supervisor.task("password", move || {
            let (file, pool) = (Arc::clone(&file), pool.clone());
            async move { file.follow(&pool).await }
        }))
    }

    /// Applies each change of the file, for ever. Existing connections are not touched. A file that cannot be read
    /// changes nothing.
    async fn follow(&self, pool: &Pool) {
        let mut known = self.read().ok();
        loop {
            sleep(LOOKED_AT_EVERY).await;
            let now = self.read().ok();
            if now.is_some() && now != known && self.apply(pool).is_ok() {
                tracing::info!("the database's password has changed");
                known = now;
            }
        }
    }
}
