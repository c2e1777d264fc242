//! What each step of a request takes: `cargo bench --workspace --bench micro`. `cargo test --workspace
//! --benches` does each once.

use std::time::Duration;

use bench::steps::Steps;
use criterion::Criterion;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A journal is written as long as it is measured: a few hundred megabytes in this time.
const WRITING: Duration = Duration::from_millis(500);

fn main() {
    // Without this word it is to be seen only that all of it works: a bundle of 10,000 policies would take
    // a debug build longer than all the rest.
    let measured = std::env::args().any(|it| it == "--bench");
    let sizes: &[usize] = if measured { &[25, 100, 1_000, 10_000] } else { &[25] };
    let mut steps = Steps::new(sizes);
    let runtime = steps.runtime().handle().clone();
    let _entered = runtime.enter();
    let mut criterion = Criterion::default().configure_from_args();
    for step in &mut steps.steps {
        let mut group = criterion.benchmark_group(step.group);
        if step.group == "journal" {
            group.warm_up_time(WRITING).measurement_time(WRITING);
        }
        group.bench_function(&step.name, |bencher| bencher.iter(&mut step.run));
        group.finish();
    }
    criterion.final_summary();
}
