use std::collections::BTreeMap;

use super::super::rate::{Per, Rate};
use super::*;

const NOON: i64 = 1_790_000_000_000_000;
const SPIKES: Spikes = Spikes { enabled: false, multiple: 10, events_per_minute_min: 1 };

fn pace(events: u32, burst: u32) -> Option<Pace> {
    Pace::new(Rate { events, per: Per::Second, burst: Some(burst) })
}

fn quota(pairs: &[(&str, u64)]) -> Quota {
    let rules: BTreeMap<String, u64> = pairs.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect();
    Quota::new(Some(&rules), 0)
}

fn project(project_pace: Option<Pace>, day: &[(&str, u64)]) -> ProjectGate {
    let filters = Arc::new(Filters::default());
    ProjectGate::new(InForce { pace: project_pace, quotas: [quota(day), Quota::default()], spikes: SPIKES, filters })
}

fn refused(verdict: &Verdict) -> Vec<usize> {
    verdict.refused.iter().map(|(index, _)| *index).collect()
}

const ERROR: Category = Category::Error;
const LOG: Category = Category::LogItem;

#[test]
fn without_limits_everything_comes_in() {
    let (gate, key) = (project(None, &[]), KeyGate::default());
    let verdict = gate.decide(&key, &[ERROR; 1000], true, NOON);
    assert!(verdict.refused.is_empty() && verdict.limits.is_empty());
    assert_eq!(gate.closed(&key, &[ERROR], NOON), None);
}

#[test]
fn a_category_without_room_leaves_the_others_alone() {
    let (gate, key) = (project(None, &[("error", 2)]), KeyGate::default());
    let verdict = gate.decide(&key, &[ERROR, LOG, ERROR, ERROR, LOG], false, NOON);
    assert_eq!(refused(&verdict), [3]);
    assert_eq!(verdict.limits.len(), 1);
    assert_eq!((verdict.limits[0].reason, verdict.limits[0].categories.as_slice()), (Reason::DailyQuota, &[ERROR][..]));
    assert_eq!(verdict.limits[0].seconds(), 300, "a limit that is lifted is to be noticed");
    assert_eq!(gate.closed(&key, &[ERROR, LOG], NOON), None);
    let limit = gate.closed(&key, &[ERROR], NOON).unwrap();
    assert_eq!((limit.reason, limit.categories), (Reason::DailyQuota, vec![ERROR]));
    // A day later.
    assert_eq!(gate.closed(&key, &[ERROR], NOON + quota::DAY_US), None);
}

#[test]
fn many_at_once_never_store_more_than_the_quota() {
    let gate = Arc::new(project(None, &[("total", 1000)]));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let gate = gate.clone();
            std::thread::spawn(move || {
                let (key, mut stored) = (KeyGate::default(), 0);
                for _ in 0..100 {
                    let verdict = gate.decide(&key, &[ERROR; 3], false, NOON);
                    let mut counts = verdict.counted;
                    // Every other one turns out to be a duplicate.
                    counts[0] -= counts[0] / 2;
                    stored += counts[0];
                    gate.give_back(&verdict, &counts);
                }
                stored
            })
        })
        .collect();
    let stored: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(stored, gate.standing(NOON).used[0][0]);
    assert!(stored <= 1000);
}

#[test]
fn a_batch_that_may_come_soon_is_refused_whole_and_one_that_never_may_in_part() {
    let (gate, key) = (project(pace(10, 10), &[]), KeyGate::default());
    assert_eq!(refused(&gate.decide(&key, &[ERROR; 4], true, NOON)), [0; 0]);
    let verdict = gate.decide(&key, &[ERROR; 8], true, NOON);
    assert_eq!(verdict.refused.len(), 8);
    assert_eq!((verdict.limits[0].reason, verdict.limits[0].after.as_millis()), (Reason::ProjectRate, 200));
    assert_eq!(refused(&gate.decide(&key, &[ERROR; 8], true, NOON + 200_000)), [0; 0]);
    // More than ever may come at once.
    let verdict = gate.decide(&key, &[ERROR; 12], true, NOON + 2_000_000);
    assert_eq!(refused(&verdict), [10, 11]);
    // A Sentry SDK sends nothing twice.
    assert_eq!(refused(&gate.decide(&key, &[ERROR; 8], false, NOON + 2_500_000)), [5, 6, 7]);
}

#[test]
fn the_end_of_a_quota_is_used_to_the_event() {
    let (gate, key) = (project(None, &[("total", 10)]), KeyGate::default());
    assert_eq!(refused(&gate.decide(&key, &[LOG; 6], true, NOON)), [0; 0]);
    let verdict = gate.decide(&key, &[LOG; 6], true, NOON);
    assert_eq!(refused(&verdict), [4, 5]);
    assert_eq!(verdict.limits[0].categories, COUNTED);
    assert_eq!(gate.closed(&key, &[ERROR, LOG], NOON).unwrap().reason, Reason::DailyQuota);
    gate.give_back(&verdict, &Counts::default());
    assert_eq!(gate.closed(&key, &[ERROR, LOG], NOON), None);
    assert_eq!(gate.standing(NOON).used[0][2], 6);
}

#[test]
fn a_key_is_limited_apart_from_its_project() {
    let gate = project(pace(100, 100), &[]);
    let slow = KeyGate { pace: pace(1, 2), ..KeyGate::default() };
    let verdict = gate.decide(&slow, &[ERROR; 3], false, NOON);
    assert_eq!((refused(&verdict), verdict.limits[0].reason), (vec![2], Reason::KeyRate));
    assert_eq!(gate.closed(&slow, &[ERROR], NOON).unwrap().after.as_secs(), 1);
    let other = KeyGate::default();
    assert_eq!(gate.closed(&other, &[ERROR], NOON), None);
    assert_eq!(refused(&gate.decide(&other, &[ERROR; 99], false, NOON)), [98]);
}

#[test]
fn files_are_limited_by_their_own_quota_alone() {
    let (gate, key) = (project(pace(1, 1), &[("attachment", 2), ("total", 1)]), KeyGate::default());
    let verdict = gate.decide(&key, &[Category::Attachment; 3], false, NOON);
    assert_eq!(refused(&verdict), [2]);
    assert_eq!(refused(&gate.decide(&key, &[ERROR], false, NOON)), [0; 0]);
}

#[test]
fn a_spike_is_refused_and_shown_until_it_is_over() {
    let (gate, key) = (project(None, &[]), KeyGate::default());
    let rules = gate.in_force.load();
    gate.put_in_force(InForce { spikes: Spikes { enabled: true, ..SPIKES }, ..InForce::clone(&rules) });
    assert_eq!(gate.closed(&key, &[ERROR], NOON), None, "nothing is known yet");
    gate.learn(Some(6.0));
    let verdict = gate.decide(&key, &[ERROR; 50], false, NOON);
    assert_eq!((verdict.refused.len(), verdict.limits[0].reason), (40, Reason::Spike));
    let standing = gate.standing(NOON);
    assert_eq!((standing.spike_since, standing.spike_limit, standing.came), (Some(NOON), Some(10), 50));
    assert_eq!(gate.closed(&key, &[ERROR], NOON).unwrap().reason, Reason::Spike);
    let later = NOON + 11 * 60_000_000;
    assert_eq!(gate.closed(&key, &[ERROR], later), None);
    assert_eq!(gate.standing(later).spike_since, None);
}
