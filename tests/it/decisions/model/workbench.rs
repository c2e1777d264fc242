//! Through the pipeline that serves, without sockets: 100,000 requests.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use policy_store::{bundle::Bundle, watch::BundleStore};
use proxy::{config::Tenancy, judge::workbench::Workbench};
use tests::{
    model::{
        Outcome, Request, Tally, World, expected,
        shrink::{self, Case},
    },
    seed::seed,
    worlds::{ask, facts},
};
use tokio::runtime::{Builder, Runtime};

use super::{assert_everything_occurred, made_up, report};

const WORLDS: usize = 250;
const REQUESTS: usize = 400;

#[test]
fn the_pipeline_agrees_with_the_model() {
    let seed = seed();
    println!("CEDARGATE_SEED={seed}: {WORLDS} worlds of {REQUESTS} requests");
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bundles = bundles();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let work = || scope.spawn(|| compare_worlds(seed, &next, &bundles));
        let workers: Vec<_> = std::iter::repeat_with(work).take(threads).collect();
        for worker in workers {
            match worker.join().unwrap() {
                Ok(part) => tally.add(part),
                Err(report) => panic!("{report}"),
            }
        }
    });
    println!("{tally}");
    assert_eq!(usize::try_from(tally.total()), Ok(WORLDS * REQUESTS));
    assert_everything_occurred(&tally);
}

/// The default bundle.
fn bundles() -> Arc<BundleStore> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    BundleStore::fixed(bundle)
}

/// Takes worlds until none is left.
fn compare_worlds(
    seed: u64,
    next: &AtomicUsize,
    bundles: &Arc<BundleStore>,
) -> Result<Tally, String> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= WORLDS {
            return Ok(tally);
        }
        let (world, requests) = made_up(seed, number, REQUESTS, |_| true);
        // Every other world remembers what it was told, facts and decisions.
        let ttl = if number.is_multiple_of(2) { Duration::ZERO } else { Duration::from_hours(1) };
        let bench = Bench::over(&runtime, bundles, &world, ttl);
        for request in requests {
            let gate = bench.judge(&request);
            if gate != expected(&world, &request).outcome {
                // The others need not look for more.
                next.store(WORLDS, Ordering::Relaxed);
                let case = Case { world, request };
                return Err(explained(seed, number, &runtime, bundles, case, &gate));
            }
            tally.count(&gate);
        }
    }
}

/// The report of a disagreement, made as small as it gets.
fn explained(
    seed: u64,
    number: usize,
    runtime: &Runtime,
    bundles: &Arc<BundleStore>,
    case: Case,
    gate: &Outcome,
) -> String {
    let judge = |case: &Case| {
        Bench::over(runtime, bundles, &case.world, Duration::ZERO).judge(&case.request)
    };
    let disagree = |case: &Case| judge(case) != expected(&case.world, &case.request).outcome;
    if !disagree(&case) {
        let report = report(seed, number, &case, gate);
        return format!("{report}, but only after what was asked before it in this world");
    }
    let case = shrink::smallest(case, disagree);
    report(seed, number, &case, &judge(&case))
}

/// A workbench on which a world lies.
struct Bench<'r> {
    runtime: &'r Runtime,
    bench: Workbench,
}

impl<'r> Bench<'r> {
    fn over(
        runtime: &'r Runtime,
        bundles: &Arc<BundleStore>,
        world: &World,
        ttl: Duration,
    ) -> Self {
        let _entered = runtime.enter();
        let facts = Arc::new(facts(world));
        let suffix = Some(".clinics.example".to_owned());
        let hosts = world.hosts.clone();
        let tenancy = Tenancy { host_suffix: suffix, hosts, ..Tenancy::default() };
        let bench = Workbench::unwitnessed(Arc::clone(bundles), facts, tenancy, ttl).unwrap();
        Self { runtime, bench }
    }

    fn judge(&self, request: &Request) -> Outcome {
        let verdict = self.runtime.block_on(self.bench.judge(&ask(request))).unwrap();
        let allowed = verdict.allowed();
        let record = &verdict.record;
        let action = record.action.as_deref().filter(|action| *action != "unmapped");
        Outcome {
            status: verdict.answer.as_ref().map_or(200, |answer| answer.status),
            reason: verdict.reason().to_owned(),
            action: action.map(str::to_owned),
            tenant: record.tenant_id.as_ref().filter(|_| allowed).map(ToString::to_string),
            broke_glass: record.broke_glass,
        }
    }
}
