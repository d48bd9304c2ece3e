//! What scrubbing costs: an event in which nothing is found, one with secrets, and rules of a project's own.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a benchmark")]

mod sample;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tephra_ingest::{ScrubRules, Scrubber};

fn scrub(criterion: &mut Criterion) {
    let clean = sample::event(false);
    let secrets = sample::event(true);
    let own = r#"{"rules":[{"path":"extra.**.name","action":"mask"},{"pattern":"PAT-[0-9]{6}","action":"mask"}]}"#;
    let own = Scrubber::new(&serde_json::from_str::<ScrubRules>(own).unwrap()).unwrap();
    let mut group = criterion.benchmark_group("scrub");
    group.throughput(Throughput::Bytes(sample::bytes(&clean) as u64));
    for (name, scrubber, event) in [
        ("nothing found", Scrubber::default(), &clean),
        ("secrets", Scrubber::default(), &secrets),
        ("own rules", own, &secrets),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| event.clone(), |event| scrubber.scrub(black_box(event)), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, scrub);
criterion_main!(benches);
