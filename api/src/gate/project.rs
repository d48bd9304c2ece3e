//! The gate of one project: all its limits are held against a batch of events at once, under one short lock.
//!
//! What may come in is counted at once and given back where it was not stored, so that many requests at the same moment never
//! store more than a quota allows.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tephra_ingest::Filters;
use tephra_ingest::sentry::Category;

use super::quota::{self, COUNTED, Counts, Quota, Usage};
use super::rate::{Gcra, Pace};
use super::room::{Met, Room, tighter};
use super::spike::{Spikes, Window};
use super::verdict::{Limit, Reason, Verdict};

/// The rate limit of a key.
#[derive(Debug, Default)]
pub(crate) struct KeyGate {
    pub(super) pace: Option<Pace>,
    /// Shared with the gate that the same key had before somebody changed it.
    pub(super) state: Arc<Mutex<Gcra>>,
}

/// What was decided for a project.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    pub(super) pace: Option<Pace>,
    /// Of a day and of a month.
    pub(super) quotas: [Quota; 2],
    pub(super) spikes: Spikes,
    pub(super) filters: Arc<Filters>,
}

/// A project at the gate.
#[derive(Debug)]
pub(crate) struct ProjectGate {
    in_force: ArcSwap<InForce>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gcra: Gcra,
    usage: Usage,
    window: Window,
    /// Events of a usual hour.
    usual: Option<f64>,
}

/// How a project stands at the moment.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Of the day and of the month.
    pub(crate) used: [Counts; 2],
    /// When they end, µs UTC.
    pub(crate) ends_us: [i64; 2],
    pub(crate) quotas: [Quota; 2],
    pub(crate) spikes: Spikes,
    /// Events of a usual hour, once enough is known.
    pub(crate) usual: Option<f64>,
    /// How many of the last minutes' events are let in.
    pub(crate) spike_limit: Option<u64>,
    /// Since when a spike is on, µs UTC.
    pub(crate) spike_since: Option<i64>,
    /// What came in the last minutes.
    pub(crate) came: u64,
}

const PERIODS: [Reason; 2] = [Reason::DailyQuota, Reason::MonthlyQuota];

impl ProjectGate {
    pub(super) fn new(in_force: InForce) -> Self {
        Self { in_force: ArcSwap::from_pointee(in_force), state: Mutex::default() }
    }

    pub(super) fn put_in_force(&self, in_force: InForce) {
        self.in_force.store(Arc::new(in_force));
    }

    /// What the project does not want.
    pub(crate) fn filters(&self) -> Arc<Filters> {
        self.in_force.load().filters.clone()
    }

    /// Whether nothing of these categories may come in now, whatever it is; counts an attempt that is refused for a spike.
    pub(crate) fn closed(&self, key: &KeyGate, categories: &[Category], now_us: i64) -> Option<Limit> {
        let in_force = self.in_force.load();
        let mut state = self.state.lock();
        state.usage.come_to(now_us);
        let key = Keyed { pace: key.pace, gcra: *key.state.lock() };
        let (reason, own) = state.room(&in_force, key, now_us).closed(categories)?;
        if reason == Reason::Spike {
            let limit = in_force.spikes.limit(state.usual);
            state.window.count(1, 0, limit, now_us);
        }
        let mut limit = state.limit(&in_force, key, (reason, own), 1, now_us);
        if own.is_some() {
            limit.categories = categories.to_vec();
        }
        Some(limit)
    }

    /// Decides of a batch of events, by their categories and in their order. Where `whole`, a batch of which only a part may come
    /// in now is refused whole if all of it may come soon: its sender sends it again.
    pub(crate) fn decide(&self, key: &KeyGate, categories: &[Category], whole: bool, now_us: i64) -> Verdict {
        let in_force = self.in_force.load();
        let mut state = self.state.lock();
        let mut key_gcra = key.state.lock();
        state.usage.come_to(now_us);
        let before = state.room(&in_force, Keyed { pace: key.pace, gcra: *key_gcra }, now_us);
        let (mut room, mut counted) = (before, Counts::default());
        let (mut refused, mut met) = (Vec::new(), Vec::<Met>::new());
        for (index, category) in categories.iter().enumerate() {
            match room.take(*category) {
                Ok(()) => quota::place(*category).into_iter().for_each(|place| counted[place] += 1),
                Err(limit) => {
                    refused.push((index, limit.0));
                    if !met.contains(&limit) {
                        met.push(limit);
                    }
                }
            }
        }
        let mut wanted = 1;
        if whole && !met.is_empty() && met.iter().all(|(reason, _)| reason.passes()) {
            let events = categories.len() as u64;
            if state.fits(&in_force, key.pace, events) {
                refused = (0..categories.len()).map(|index| (index, met[0].0)).collect();
                (counted, wanted) = (Counts::default(), events);
            }
        }
        let let_in = quota::events(&counted);
        if let Some(pace) = key.pace {
            key_gcra.take(pace, let_in, now_us);
        }
        if let Some(pace) = in_force.pace {
            state.gcra.take(pace, let_in, now_us);
        }
        let came = categories.iter().filter(|category| **category != Category::Attachment).count() as u64;
        let limit = in_force.spikes.limit(state.usual);
        state.window.count(came, let_in, limit, now_us);
        state.usage.add(&counted);
        let key = Keyed { pace: key.pace, gcra: *key_gcra };
        let limits = met.into_iter().map(|met| state.limit(&in_force, key, met, wanted, now_us)).collect();
        Verdict { refused, limits, counted, day: state.usage.day() }
    }

    /// Gives back what was let in and not stored after all. Rates are not given back: it did come.
    pub(crate) fn give_back(&self, verdict: &Verdict, stored: &Counts) {
        let mut back = verdict.counted;
        back.iter_mut().zip(stored).for_each(|(count, stored)| *count = count.saturating_sub(*stored));
        self.state.lock().usage.take_back(verdict.day, &back);
    }

    /// How the project stands.
    pub(crate) fn standing(&self, now_us: i64) -> Standing {
        let in_force = self.in_force.load();
        let mut state = self.state.lock();
        state.usage.come_to(now_us);
        let spike_limit = in_force.spikes.limit(state.usual);
        Standing {
            used: state.usage.used(),
            ends_us: state.usage.ends_us(),
            quotas: in_force.quotas,
            spikes: in_force.spikes,
            usual: state.usual,
            spike_limit,
            spike_since: state.window.since(spike_limit, now_us),
            came: state.window.came(),
        }
    }

    /// Takes in what was read of counts: all of them at the start, later those of other servers.
    pub(super) fn put_counts(&self, days: &[(i64, bool, Counts)], at_start: bool, now_us: i64) {
        let mut state = self.state.lock();
        state.usage.come_to(now_us);
        state.usage.forget_others();
        for (day, own, counts) in days.iter().filter(|(_, own, _)| at_start || !own) {
            state.usage.put(*day, *own, counts);
        }
    }

    /// Learns what is usual.
    pub(super) fn learn(&self, usual: Option<f64>) {
        self.state.lock().usual = usual;
    }
}

/// A key's limit at the moment.
#[derive(Clone, Copy)]
struct Keyed {
    pace: Option<Pace>,
    gcra: Gcra,
}

impl State {
    fn room(&mut self, in_force: &InForce, key: Keyed, now_us: i64) -> Room {
        let with = |reason| move |room| (room, reason);
        let spike = self.window.room(in_force.spikes.limit(self.usual), now_us).map(with(Reason::Spike));
        let project = in_force.pace.map(|pace| self.gcra.room(pace, now_us)).map(with(Reason::ProjectRate));
        let key = key.pace.map(|pace| key.gcra.room(pace, now_us)).map(with(Reason::KeyRate));
        let mut room = Room { for_all: tighter(spike, tighter(project, key)), ..Room::default() };
        for ((quota, used), reason) in in_force.quotas.iter().zip(self.usage.used()).zip(PERIODS) {
            let (total, each) = quota.left(&used);
            // What is reached at once with a rate is named, as it takes longer to be over.
            room.for_all = tighter(room.for_all, total.map(with(reason)));
            for (place, left) in each.into_iter().enumerate() {
                room.each[place] = tighter(room.each[place], left.map(with(reason)));
            }
        }
        room
    }

    /// Whether so many events may ever come at once.
    fn fits(&self, in_force: &InForce, key: Option<Pace>, events: u64) -> bool {
        let bursts = [key, in_force.pace].into_iter().flatten().map(Pace::burst);
        bursts.chain(in_force.spikes.limit(self.usual)).all(|most| most >= events)
    }

    /// What a sender is told of a limit that it met, and when `wanted` events may come.
    fn limit(&self, in_force: &InForce, key: Keyed, met: Met, wanted: u64, now_us: i64) -> Limit {
        let (reason, category) = met;
        let after_us = match reason {
            Reason::KeyRate => key.pace.map_or(0, |pace| key.gcra.wait_us(pace, wanted, now_us)),
            Reason::ProjectRate => in_force.pace.map_or(0, |pace| self.gcra.wait_us(pace, wanted, now_us)),
            Reason::Spike => self.window.wait_us(now_us),
            Reason::DailyQuota => self.usage.ends_us()[0] - now_us,
            Reason::MonthlyQuota => self.usage.ends_us()[1] - now_us,
        };
        Limit::new(reason, category.map_or_else(|| COUNTED.to_vec(), |category| vec![category]), after_us)
    }
}

#[cfg(test)]
mod tests;
