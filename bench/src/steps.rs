//! The steps of a request, each by itself, to be repeated: for the micro-benchmarks and for the count
//! of allocations.

use std::fmt;
use std::future::Future as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use audit::{Durability, Journal, JournalConfig, Record};
use base::supervise::Supervisor;
use bytes::Bytes;
use policy_store::bundle::Bundle;
use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use policy_store::source::FixedFacts;
use policy_store::watch::BundleStore;
use proxy::accept::Arrival;
use proxy::benchmarks::{self, Line, Questions};
use proxy::config::{Issuer, Tenancy};
use proxy::judge::identify::Verifier;
use proxy::judge::keys::KeyStore;
use proxy::judge::workbench::{Ask, Workbench};
use proxy::metrics::Metrics;
use tempfile::TempDir;
use tests::big::{PER_ACTION, enlarge};
use tests::stand::copy_tree;
use tests::tokens::{self, Signing, TRUSTED, claims, header, now, signed};
use tokio::runtime::{Builder, Runtime};

/// Who asks, in every step.
pub const USER: &str = "kauvery-doctor";
/// What for: a route whose object is looked up.
pub const PATH: &str = "/api/patients/patient-kauvery-1";
/// The step that is a whole request without sockets and a record, its decision remembered.
pub const REMEMBERED: &str = "remembered";

/// One of them.
pub struct Step {
    /// What it is about.
    pub group: &'static str,
    /// What is special about it.
    pub name: String,
    /// Does it once.
    pub run: Box<dyn FnMut()>,
}

/// All of them, with what they stand on.
#[derive(Debug)]
pub struct Steps {
    /// In the order of a request.
    pub steps: Vec<Step>,
    runtime: Runtime,
    _folder: TempDir,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Steps {
    /// All of them, each done once already. Decisions are made over bundles to which so many policies were
    /// added.
    #[must_use]
    pub fn new(sizes: &[usize]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        TRUSTED.write(folder.path());
        let entered = runtime.enter();
        let ground = Ground::new(folder.path());
        let mut all = ground.reading();
        all.extend(ground.identifying());
        all.extend(sizes.iter().map(|size| ground.deciding(&runtime, *size)));
        all.extend(ground.judging(&runtime));
        all.extend(ground.recording(&runtime));
        drop(entered);
        for step in &mut all {
            (step.run)();
        }
        Self { steps: all, runtime, _folder: folder }
    }

    /// Whoever does a step has to be in this runtime.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

fn step(group: &'static str, name: impl Into<String>, run: impl FnMut() + 'static) -> Step {
    Step { group, name: name.into(), run: Box::new(run) }
}

/// What steps are made of.
struct Ground {
    folder: PathBuf,
    issuers: Vec<Issuer>,
    bundles: Arc<BundleStore>,
    facts: Arc<FixedFacts>,
    head: Bytes,
}

impl Ground {
    fn new(folder: &Path) -> Self {
        let issuer = tokens::issuer(folder);
        let token = token(Signing::Rs256);
        let head = format!(
            "GET {PATH} HTTP/1.1\r\nHost: gate.example\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        Self {
            folder: folder.to_owned(),
            issuers: vec![issuer],
            bundles: bundles(&shipped()),
            facts: Arc::new(facts()),
            head: Bytes::from(head),
        }
    }

    /// A line over the shipped bundle; decisions are remembered, or are not.
    fn line(&self, remember: bool) -> Line {
        let (bundles, facts) = (Arc::clone(&self.bundles), Arc::clone(&self.facts));
        // Tokens and facts are remembered in any case: they live for longer than this runs.
        let ttl = Duration::from_hours(24);
        let bench = Workbench::unwitnessed(bundles, facts, Tenancy::default(), ttl).unwrap();
        let bench = if remember { bench } else { bench.forgetful() };
        Line::new(bench, &self.issuers).unwrap()
    }

    fn reading(&self) -> Vec<Step> {
        let canonical = |path: &'static str| {
            move || drop(proxy::http::canonical::path(black_box(path.as_bytes())).unwrap())
        };
        let (line, head, bundles) = (self.line(true), self.head.clone(), Arc::clone(&self.bundles));
        let arrival = line.accept(&head).unwrap();
        let (user, organization) = (user(), organization());
        let (tenancy, same) = (Tenancy::default(), Arc::clone(&bundles));
        vec![
            step("canonical path", "plain", canonical(PATH)),
            step("canonical path", "escaped", canonical("/api/patients/J%c3%bcrgen%2dM")),
            step("head", "accepted", move || {
                drop(black_box(line.accept(black_box(&head)).unwrap()));
            }),
            step("route", "of 79", move || {
                let bundle = &bundles.current().bundle;
                assert!(benchmarks::resolve(black_box(&arrival), bundle, &tenancy).unwrap());
            }),
            step("entities", "of a caller", move || {
                let bundle = &same.current().bundle;
                black_box(benchmarks::entities(bundle, &user, &organization).unwrap());
            }),
        ]
    }

    fn identifying(&self) -> Vec<Step> {
        let verify = |remember: bool, signing| {
            let keys = KeyStore::start(&self.issuers, &Supervisor::default()).unwrap();
            let metrics = Metrics::new("bench", "").unwrap();
            let verifier = Verifier::new(keys, Duration::ZERO, remember, &metrics);
            let (token, now) = (token(signing), seconds());
            move || drop(verifier.verify(black_box(&token), now).unwrap())
        };
        vec![
            step("token", "RS256", verify(false, Signing::Rs256)),
            step("token", "ES256", verify(false, Signing::Es256)),
            step("token", "EdDSA", verify(false, Signing::EdDsa)),
            step("token", "known", verify(true, Signing::Rs256)),
        ]
    }

    /// What Cedar needs for the questions about one request, which is about the last policies of `size`.
    fn deciding(&self, runtime: &Runtime, size: usize) -> Step {
        let folder = self.folder.join(size.to_string());
        copy_tree(&shipped(), &folder);
        enlarge(&folder, size);
        let target = format!("/api/bulk/{}", size / PER_ACTION - 1);
        let (user, method) = (Some(Arc::from(USER)), "GET".to_owned());
        let ask = Ask { user, method, target, ..Ask::default() };
        let (bundles, facts) = (bundles(&folder), Arc::clone(&self.facts));
        let questions = runtime.block_on(Questions::about(&ask, &bundles, facts)).unwrap();
        step("decision", format!("{size} policies more"), move || {
            assert!(black_box(&questions).put().unwrap());
        })
    }

    fn judging(&self, runtime: &Runtime) -> Vec<Step> {
        let judge = |remember| {
            let (line, now) = (self.line(remember), seconds());
            let arrival = line.accept(&self.head).unwrap();
            // The facts are loaded in the runtime; from then on nothing is waited for.
            runtime.block_on(line.judge(&arrival, now)).unwrap();
            move || drop(black_box(judged(&line, &arrival, now)))
        };
        vec![step("judging", REMEMBERED, judge(true)), step("judging", "anew", judge(false))]
    }

    fn recording(&self, runtime: &Runtime) -> Vec<Step> {
        let line = self.line(false);
        let arrival = line.accept(&self.head).unwrap();
        let record = runtime.block_on(line.judge(&arrival, seconds())).unwrap();
        let append = |name, durability| {
            let config = JournalConfig {
                durability,
                ..JournalConfig::new(self.folder.join(format!("journal-{name}")))
            };
            let ((journal, _), record) = (Journal::open(config).unwrap(), record.clone());
            step("journal", name, move || journal.append(black_box(&record)).unwrap())
        };
        let (process, none) =
            (append("process", Durability::Process), append("none", Durability::None));
        let mut line = Vec::new();
        let spell = step("record", "spelled", move || {
            line.clear();
            benchmarks::spell(black_box(&record), &mut line).unwrap();
        });
        vec![spell, process, none]
    }
}

fn judged(line: &Line, arrival: &Arrival, now: f64) -> Record {
    let judging = pin!(line.judge(black_box(arrival), now));
    match judging.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(record) => record.unwrap(),
        Poll::Pending => panic!("everything is known, and yet something is waited for"),
    }
}

fn shipped() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"))
}

fn bundles(folder: &Path) -> Arc<BundleStore> {
    BundleStore::fixed(Bundle::load(folder).unwrap_or_else(|findings| panic!("{findings}")))
}

fn token(signing: Signing) -> String {
    signed(signing, &header(signing), &claims(USER))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch stay below 2^53")]
fn seconds() -> f64 {
    now() as f64
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn user() -> UserFacts {
    UserFacts {
        id: Arc::from(USER),
        organization: Some(Arc::from("org-kauvery")),
        roles: names(&["DOCTOR"]),
        features: names(&["ai_notes", "codes"]),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

fn organization() -> OrganizationFacts {
    OrganizationFacts {
        id: Arc::from("org-kauvery"),
        slug: Arc::from("kauvery"),
        status: Arc::from("ACTIVE"),
        deleted: false,
        features: names(&["ai_notes", "codes"]),
        workflows: names(&["patient_questions"]),
        group: Some(Arc::from("south")),
    }
}

fn facts() -> FixedFacts {
    let (user, organization) = (user(), organization());
    let owner = Some(Arc::clone(&organization.id));
    let patient = OwnedFacts { owner, workflow: None, roles: None };
    FixedFacts {
        users: [(Arc::clone(&user.id), user)].into(),
        organizations: vec![organization],
        objects: [(("Patient".to_owned(), "patient-kauvery-1".to_owned()), patient)].into(),
    }
}
