//! The start of a journal: keys, the check of what is there, the threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use base::supervise::Supervisor;
use uuid::Uuid;

use super::archivist::Archivist;
use super::notary::{Before, Notary};
use super::place::Place;
use super::recovery::{self, Found, Recovered};
use super::shared::Shared;
use super::strangers::Allowance;
use super::writer::Bounds;
use super::{Durability, Journal, JournalConfig, JournalError, OnDamage, keeper};
use crate::seal::is_instance;
use crate::signing::{PublicKey, Signer, SigningError};
use crate::verify::{Options, verify};

/// The file of the key that is created in the journal's directory if none is configured.
const OWN_KEY: &str = "signing.pem";

impl Journal {
    /// Opens the journal: locks the directory, checks that the journal is what was written, cuts off what was torn,
    /// closes the intents without an outcome, and continues.
    ///
    /// # Errors
    ///
    /// Fails if the directory or a key cannot be used, another gate uses the directory, or the journal is not what
    /// was written (unless the configuration says to continue all the same).
    pub fn open(config: JournalConfig) -> Result<(Arc<Self>, Recovered), JournalError> {
        let directory = config.directory.clone();
        let place = Place::take(directory.clone(), config.durability == Durability::Disk)?;
        let signer = signer(&config)?;
        // The keys in a file beside the journal are not trusted: a process that can change the journal can change
        // that file.
        let own: Vec<_> = signer.keys().collect();
        let (found, trusted) = look(&config, &own)?;
        let unusable = |source| JournalError::Unusable { path: directory.clone(), source };
        let instance: Arc<str> = match found.instance().map_err(unusable)? {
            Some(known) if is_instance(&known) => known.into(),
            _ => new_instance().into(),
        };
        let last = found.last_signed();
        let bounds = Bounds {
            segment_bytes: config.segment_size,
            segment_age: config.segment_age,
            quota: config.quota,
        };
        let none = config.durability == Durability::None;
        let (writer, recovered) = recovery::recover(place, found, bounds, (&instance, none))?;
        let strangers = Allowance {
            requests: config.anonymous_per_second,
            bytes: config.anonymous_bytes_per_second,
        };
        let shared = Shared::new(writer, config.durability, strangers);
        let (delivered, number) = (config.delivered.clone(), last.number.unwrap_or_default());
        let before = Before { trusted, number, delivered };
        let notary =
            Arc::new(Notary::new(directory.clone(), Arc::clone(&instance), signer, before)?);
        // The first checkpoint comes before the first record: a journal without any signature is a fault.
        shared.writer().unvouched();
        notary.attest(&shared).map_err(unusable)?;
        let (syncs, work) = channel();
        let mut journal = Self {
            shared: Arc::clone(&shared),
            notary: Arc::clone(&notary),
            instance,
            quota: config.quota,
            claimed: last.delivered,
            syncs: Some(syncs),
            stops: Vec::new(),
            threads: Vec::new(),
        };
        let kept = Arc::clone(&shared);
        let supervisor = &config.supervisor;
        journal
            .threads
            .push(thread(supervisor, "audit-keeper", move || keeper::keep(&kept, &work))?);
        let archivist = Archivist {
            directory,
            notary: Arc::clone(&notary),
            keep: config.keep,
            delivered: config.delivered,
        };
        let kept = Arc::clone(&shared);
        journal.look_after(supervisor, "audit-notary", move |stop| notary.keep(&kept, stop))?;
        journal.look_after(supervisor, "audit-archivist", move |stop| {
            archivist.keep(&shared, stop);
        })?;
        Ok((Arc::new(journal), recovered))
    }

    fn look_after(
        &mut self,
        supervisor: &Supervisor,
        name: &'static str,
        work: impl Fn(&Receiver<()>) + Send + 'static,
    ) -> Result<(), JournalError> {
        let (stop, stopped) = channel();
        self.threads.push(thread(supervisor, name, move || work(&stopped))?);
        self.stops.push(stop);
        Ok(())
    }
}

fn thread(
    supervisor: &Supervisor,
    name: &'static str,
    work: impl FnMut() + Send + 'static,
) -> Result<JoinHandle<()>, JournalError> {
    supervisor.thread(name, work).map_err(JournalError::Thread)
}

fn signer(config: &JournalConfig) -> Result<Signer, SigningError> {
    if !config.signing_keys.is_empty() {
        return Signer::read(&config.signing_keys);
    }
    let file = config.directory.join(OWN_KEY);
    let (signer, made) = Signer::read_or_make(&file)?;
    if made {
        tracing::warn!(
            key = %file.display(),
            "a key was made to sign the audit journal with; keep one elsewhere (`audit.signing_keys`) if whoever may write there is to be held to it"
        );
    }
    Ok(signer)
}

/// Checks what is there, and whether it is what was written. Returns the trusted keys, too: our own, and those that
/// signed together with them.
fn look(
    config: &JournalConfig,
    own: &[PublicKey],
) -> Result<(Found, Vec<PublicKey>), JournalError> {
    let unusable = |source| JournalError::Unusable { path: config.directory.clone(), source };
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let options = Options { trusted: own.to_vec(), threads, full: Some(config.check_at_start) };
    let verified = verify(&config.directory, &options).map_err(unusable)?;
    let mut found = Found::look(&config.directory, &verified.trusted).map_err(unusable)?;
    found.damaged_by(&verified.faults).map_err(unusable)?;
    if !found.damage.is_empty() && config.on_damage == OnDamage::Refuse {
        return Err(JournalError::Damaged { path: config.directory.clone(), faults: found.damage });
    }
    for fault in &found.damage {
        tracing::error!(%fault, "the audit journal is not what was written; it is gone on with");
    }
    Ok((found, verified.trusted))
}

/// A unique id of a journal: 64 bits, 16 hexadecimal digits.
fn new_instance() -> String {
    format!("{:016x}", Uuid::now_v7().as_u128() & u128::from(u64::MAX))
}
