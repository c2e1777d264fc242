//! Listens to the notifications of changes from Postgres, and drops the changed facts.
//!
//! `migrations/postgres/0006_changes.sql` defines the notifications and the triggers that send them. When
//! notifications may have been missed, because the connection is new or was lost, all kept facts stop counting.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::{Pool, SqlFacts};
use crate::cache::{Change, FactStore};

/// The channel of the notifications of changes.
pub const CHANNEL: &str = "cedargate_facts";

/// The duration of silence after which the connection is tested.
const QUIET: Duration = Duration::from_secs(1);
/// The timeout of the test of a silent connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// The timeout for connecting.
const CONNECTING: Duration = Duration::from_secs(5);
/// The first delay before a lost connection is opened again.
const SOON: Duration = Duration::from_millis(50);
/// The maximum delay before a lost connection is opened again.
const LATER: Duration = Duration::from_secs(1);

/// A source of notifications of changes.
#[derive(Debug, Clone)]
pub struct Push {
    pool: PgPool,
}

impl SqlFacts {
    /// Returns the source of notifications, if the database sends any.
    pub fn push(&self) -> Option<Push> {
        match &self.pool {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => Some(Push { pool: pool.clone() }),
        }
    }
}

impl Push {
    /// Listens for ever, and drops changed facts from `facts`. Calls `told` with `true` when the connection is
    /// established and with `false` when it is lost.
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

/// A guard for the time during which notifications are received. However that time ends, earlier facts stop
/// counting.
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

/// Receives notifications until the connection is lost; returns the cause.
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
