//! What an append costs from the decoded events until they are durable: one event, a thousand, and 64 requests at once.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a benchmark")]

mod common;

use std::time::Duration;

use common::{Source, open};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const TOGETHER: usize = 64;

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (_dir, store) = open(&runtime);
    let mut source = Source::new();
    let mut group = criterion.benchmark_group("append");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for events in [1, 1_000] {
        group.throughput(Throughput::Elements(events));
        group.bench_function(format!("{events} events"), |b| {
            b.iter_batched(
                || source.append(events),
                |append| runtime.block_on(store.append(append)).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.throughput(Throughput::Elements(TOGETHER as u64));
    group.bench_function("64 requests of 1 event at once", |b| {
        b.iter_batched(
            || (0..TOGETHER).map(|_| source.append(1)).collect::<Vec<_>>(),
            |appends| {
                runtime.block_on(async {
                    let mut tasks = tokio::task::JoinSet::new();
                    for append in appends {
                        let store = store.clone();
                        tasks.spawn(async move { store.append(append).await.unwrap() });
                    }
                    tasks.join_all().await
                })
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    runtime.block_on(store.close()).unwrap();
}

criterion_group!(benches, append);
criterion_main!(benches);
