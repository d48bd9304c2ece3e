//! What rolling 100,000 hot events into the lake costs: sort, Parquet, commit, deletion.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a benchmark")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Source, open};
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use tephra_compactor::{RollSettings, Roller};
use tephra_storage::SystemClock;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const EVENTS: u64 = 100_000;
const BATCH: u64 = 1_000;

fn roll(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (_dir, store) = open(&runtime);
    let mut source = Source::new();
    let shutdown = CancellationToken::new();
    let roller = Roller::new(RollSettings::default(), store.clone(), Arc::new(SystemClock));
    let handle = roller.handle();
    let running = runtime.spawn(roller.run(shutdown.clone()));
    let mut group = criterion.benchmark_group("roll");
    group.throughput(Throughput::Elements(EVENTS)).sampling_mode(SamplingMode::Flat);
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(10));
    group.bench_function("100,000 events", |b| {
        b.iter_batched(
            || {
                for _ in 0..EVENTS / BATCH {
                    runtime.block_on(store.append(source.append(BATCH))).unwrap();
                }
            },
            |()| assert_eq!(runtime.block_on(handle.roll_now()).unwrap().rows, EVENTS),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    shutdown.cancel();
    let _ = runtime.block_on(running);
    runtime.block_on(store.close()).unwrap();
}

criterion_group!(benches, roll);
criterion_main!(benches);
