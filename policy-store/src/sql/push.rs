//! Listens to what a Postgres says has changed, and drops just that.
//!
//! What is sent, and by which triggers: `migrations/postgres/0006_changes.sql`. Whatever may have
//! been missed, because the connection was lost or is new, makes everything that is kept count no
//! more.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::{Pool, SqlFacts};
use crate::cache::{Change, FactStore};

/// The channel on which changes are told.
pub const CHANNEL: &str = "cedargate_facts";

/// A connection that is silent is asked this often whether it is still there.
const QUIET: Duration = Duration::from_secs(1);
/// It may take so long to say that it is.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connecting may take so long.
const CONNECTING: Duration = Duration::from_secs(5);
/// A connection that was lost is made anew after this time, at first.
const SOON: Duration = Duration::from_millis(50);
/// And after this time at the latest.
const LATER: Duration = Duration::from_secs(1);

/// Where changes can be heard.
#[derive(Debug, Clone)]
pub struct Push {
    pool: PgPool,
}

impl SqlFacts {
    /// Where the database tells of changes, if it is one that does.
    pub fn push(&self) -> Option<Push> {
        match &self.pool {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => Some(Push { pool: pool.clone() }),
        }
    }
}

impl Push {
    /// Listens for ever, and has `facts` drop what has changed. `told` is told whenever the
    /// connection stands (`true`) or is lost.
    pub async fn follow(&self, facts: &FactStore, told: impl Fn(bool) + Sync) {
        let (mut pause, mut failing) = (SOON, false);
        loop {
            match self.listen().await {
                Ok(mut listener) => {
                    (pause, failing) = (SOON, false);
                    let listening = Listening::begin(facts, &told);
                    tracing::info!("listening to changes of facts");
                    let cause = hear(&mut listener, facts).await;
                    drop(listening);
                    tracing::warn!(%cause, "changes of facts are not heard: they hold after `facts.ttl`");
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "changes of facts cannot be listened to: they hold after `facts.ttl`");
                }
                Err(error) => tracing::debug!(%error, "changes of facts cannot be listened to"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let options = (*self.pool.connect_options()).clone().application_name("cedargate-changes");
        let own: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECTING)
            .connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&own).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

/// For as long as changes are heard. However that ends, facts from before do not count any more.
struct Listening<'a, F: Fn(bool)> {
    facts: &'a FactStore,
    told: &'a F,
}

impl<'a, F: Fn(bool)> Listening<'a, F> {
    fn begin(facts: &'a FactStore, told: &'a F) -> Self {
        facts.distrust();
        told(true);
        Self { facts, told }
    }
}

impl<F: Fn(bool)> Drop for Listening<'_, F> {
    fn drop(&mut self) {
        self.facts.distrust();
        (self.told)(false);
    }
}

/// Hears changes until the connection is lost; gives why.
async fn hear(listener: &mut PgListener, facts: &FactStore) -> String {
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => facts.changed(&Change::parse(notification.payload())),
            Ok(Ok(None)) => return "the connection was closed".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Err(_quiet) => {
                let asked = sqlx::query("select 1").execute(&mut *listener);
                match timeout(PATIENCE, asked).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_silent) => return "the connection is silent".to_owned(),
                }
            }
        }
    }
}
