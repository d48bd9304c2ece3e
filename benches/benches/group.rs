//! What grouping costs: an event of 2 KB read back from its columns, a message, and both beside scrubbing.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a benchmark")]

mod sample;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tephra_ingest::{GROUPING_VERSION, GroupRules, Scrubber, hashes_of_version, parametrised};

fn group(criterion: &mut Criterion) {
    let event = sample::event(false);
    let none = GroupRules::default();
    let rules =
        GroupRules::parse("type:*Timeout -> timeout\npath:**/vendor/** -app\nmessage:\"*memory*\" -> oom").unwrap();
    let message = "user 17 (bob@example.com) at 10.0.0.1 took 3.5 s: key 'cart:17' in /srv/app/cart.py is 0x7fff since 2026-11-21T14:06:35Z";
    let mut group = criterion.benchmark_group("group");
    group.bench_function("frames", |b| b.iter(|| hashes_of_version(GROUPING_VERSION, black_box(&event), &none)));
    group.bench_function("frames and rules", |b| {
        b.iter(|| hashes_of_version(GROUPING_VERSION, black_box(&event), &rules))
    });
    group.bench_function("message", |b| b.iter(|| parametrised(black_box(message))));
    // The aim: less than 40 µs together.
    let scrubber = Scrubber::default();
    group.bench_function("scrubbed and grouped", |b| {
        b.iter_batched_ref(
            || event.clone(),
            |event| {
                scrubber.scrub(event);
                hashes_of_version(GROUPING_VERSION, event, &none)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, group);
criterion_main!(benches);
