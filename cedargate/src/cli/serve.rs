//! `cedargate serve`.

use base::chain;
use proxy::Gate;
use proxy::config::Config;
use proxy::logging;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::printing::print;
use super::{ConfigArgs, Done, Failure, runtime};

/// Run the gate
///
/// SIGHUP, and `POST /reload` at the admin listener, reload the policies. `POST /reload?emergency=true` puts them in
/// force once whatever their tests and `policies.admit` say, and is recorded in the audit journal.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let config = self.config.load()?;
        logging::begin(config.log);
        match config.workers {
            Some(1) => alone(serve(config)),
            workers => runtime(workers)?.block_on(serve(config)),
        }
    }
}

/// Runs a gate on a runtime of a single thread, which saves the cost of sharing work between threads.
fn alone<T: Send>(work: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::NotFine(format!("no runtime: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("worker".to_owned())
            .stack_size(policy_store::bundle::STACK)
            .spawn_scoped(scope, || runtime.block_on(work))
            .map_err(|error| failed(&error))?;
        thread.join().map_err(|_| failed(&"its thread panicked"))?
    })
}

async fn serve(config: Config) -> Result<Done, Failure> {
    let mut signals = Signals::new()?;
    let gate = Gate::start(config).await.map_err(|error| Failure::NotFine(chain(&error)))?;
    say(&format!(
        "cedargate: proxy on http://{}, admin on http://{}",
        gate.proxy_address(),
        gate.admin_address()
    ));
    signals.until_told_to_stop(&gate).await;
    signals.drain(gate).await;
    Ok(Done::Fine)
}

/// Prints a notice on standard output and ignores a failure: a gate serves whether or not its output is read.
pub(super) fn say(text: &str) {
    let _closed = print(text);
}

/// The signals that a gate handles.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Registers the signal handlers. This comes before anything is started, so that no signal during the start is
    /// lost.
    pub(super) fn new() -> Result<Self, Failure> {
        let on =
            |kind| signal(kind).map_err(|error| Failure::NotFine(format!("no signals: {error}")));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT. SIGHUP reloads the policies, and never ends the wait.
    pub(super) async fn until_told_to_stop(&mut self, gate: &Gate) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    match gate.reload().await {
                        Ok(outcome) => {
                            tracing::info!(outcome = outcome.word(), "SIGHUP: policies read again");
                        }
                        Err(error) => {
                            tracing::error!(%error, "SIGHUP: policies could not be read again");
                        }
                    }
                }
            }
        }
    }

    /// Drains the gate, then stops it. A second signal ends the drain at once.
    pub(super) async fn drain(&mut self, gate: Gate) {
        tracing::info!("draining");
        gate.begin_drain();
        tokio::select! {
            () = gate.drained() => {}
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        gate.stop().await;
    }
}
