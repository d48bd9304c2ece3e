//! Protection from spikes: what is usual in a project is learnt from its hours, and far more than that at once is refused.
//!
//! Hours are of what was stored, so that a spike, of which the most was refused, does not teach that spikes are usual; and a
//! project that grows is followed, as each hour may be several times the one before. The hours lie in the metadata and so
//! outlive a restart; the last minutes do not.
//!
//! Known weakness: each server of several sees its own minutes only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Minutes that are looked at together.
pub(crate) const WINDOW: usize = 10;
/// Hours that are learnt from.
pub(super) const LEARNT_HOURS: i64 = 7 * 24;
/// So many hours of a project must have passed before anything is usual in it.
const KNOWN_HOURS_MIN: i64 = 6;
const MINUTE_US: i64 = 60_000_000;

/// When more than usual is a spike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SpikeRules {
    /// Whether spikes are refused; the server's default where it is null.
    pub(crate) enabled: Option<bool>,
    /// So many times the usual is a spike; the server's default where it is null.
    #[schema(minimum = 2, maximum = 1000)]
    pub(crate) multiple: Option<u32>,
    /// Fewer events per minute are none; the server's default where it is null.
    pub(crate) events_per_minute_min: Option<u32>,
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spikes {
    pub(crate) enabled: bool,
    pub(crate) multiple: u32,
    pub(crate) events_per_minute_min: u32,
}

impl Spikes {
    /// What a project decides, and else what the server does.
    pub(super) fn new(rules: SpikeRules, default: Self) -> Self {
        Self {
            enabled: rules.enabled.unwrap_or(default.enabled),
            multiple: rules.multiple.unwrap_or(default.multiple),
            events_per_minute_min: rules.events_per_minute_min.unwrap_or(default.events_per_minute_min),
        }
    }

    /// How many events of the last [`WINDOW`] minutes are let in, where an hour usually has `usual`; `None` is any number.
    pub(super) fn limit(self, usual: Option<f64>) -> Option<u64> {
        let usual = usual.filter(|_| self.enabled)?;
        let window = usual / 60.0 * WINDOW as f64;
        let least = u64::from(self.events_per_minute_min) * WINDOW as u64;
        Some(((window * f64::from(self.multiple)).ceil() as u64).max(least).max(1))
    }
}

/// What an hour of a project usually has: the mean of the last day or of the last week, whichever is more. `hours` are
/// `(hour, events)` of those that had any, `this_hour` is the one that is not over. `None` where too little is known.
pub(super) fn usual(hours: &[(i64, u64)], this_hour: i64) -> Option<f64> {
    let over = || hours.iter().filter(|(hour, _)| *hour < this_hour && *hour >= this_hour - LEARNT_HOURS);
    let first = over().map(|(hour, _)| *hour).min()?;
    let known = this_hour - first;
    if known < KNOWN_HOURS_MIN {
        return None;
    }
    let mean = |length: i64| {
        let length = length.min(known);
        let sum: u64 = over().filter(|(hour, _)| *hour >= this_hour - length).map(|(_, events)| events).sum();
        sum as f64 / length as f64
    };
    Some(mean(24).max(mean(LEARNT_HOURS)))
}

/// The last minutes of a project: what was let in, and what came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    minute: i64,
    let_in: [u64; WINDOW],
    came: [u64; WINDOW],
    since_us: Option<i64>,
}

impl Window {
    /// How many more may come now.
    pub(super) fn room(&mut self, limit: Option<u64>, now_us: i64) -> Option<u64> {
        self.come_to(now_us);
        Some(limit?.saturating_sub(self.let_in.iter().sum()))
    }

    /// Counts what came and what of it was let in.
    pub(super) fn count(&mut self, came: u64, let_in: u64, limit: Option<u64>, now_us: i64) {
        self.come_to(now_us);
        let place = self.minute.rem_euclid(WINDOW as i64) as usize;
        self.came[place] += came;
        self.let_in[place] += let_in;
        self.since(limit, now_us);
    }

    /// Since when a spike is on, µs UTC. It ends by itself, once no more comes than may.
    pub(super) fn since(&mut self, limit: Option<u64>, now_us: i64) -> Option<i64> {
        self.come_to(now_us);
        let is_on = limit.is_some_and(|limit| self.came.iter().sum::<u64>() > limit);
        self.since_us = if is_on { self.since_us.or(Some(now_us)) } else { None };
        self.since_us
    }

    /// What came in the last minutes.
    pub(super) fn came(&self) -> u64 {
        self.came.iter().sum()
    }

    /// When the oldest minute is forgotten, so that more may come.
    pub(super) fn wait_us(&self, now_us: i64) -> i64 {
        MINUTE_US - now_us.rem_euclid(MINUTE_US)
    }

    /// Forgets the minutes that are over. A clock that was set back by more than the window begins a new one.
    fn come_to(&mut self, now_us: i64) {
        let minute = now_us.div_euclid(MINUTE_US);
        let passed = minute - self.minute;
        if passed >= WINDOW as i64 || passed <= -(WINDOW as i64) {
            *self = Self { minute, since_us: self.since_us, ..Self::default() };
            return;
        }
        for minute in self.minute + 1..=minute {
            let place = minute.rem_euclid(WINDOW as i64) as usize;
            (self.came[place], self.let_in[place]) = (0, 0);
        }
        self.minute = self.minute.max(minute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_790_000_000_000_000 - 1_790_000_000_000_000 % MINUTE_US;
    const DEFAULT: Spikes = Spikes { enabled: true, multiple: 10, events_per_minute_min: 1 };

    #[test]
    fn what_is_usual_is_learnt_from_the_hours_that_are_over() {
        let hours = |list: &[(i64, u64)], this_hour| usual(list, this_hour);
        assert_eq!(hours(&[], 100), None);
        assert_eq!(hours(&[(95, 60)], 100), None, "too little is known");
        assert_eq!(hours(&[(94, 60)], 100), Some(10.0));
        assert_eq!(hours(&[(94, 60), (100, 9_999)], 100), Some(10.0), "this hour is not over");
        // A busy last day outweighs a quiet week, and the other way round.
        let mut week: Vec<_> = (0..168).map(|hour| (832 + hour, 6)).collect();
        assert_eq!(hours(&week, 1000), Some(6.0));
        week[144..].iter_mut().for_each(|(_, events)| *events = 60);
        assert_eq!(hours(&week, 1000), Some(60.0));
        week[144..].iter_mut().for_each(|(_, events)| *events = 0);
        assert!(hours(&week, 1000).unwrap() > 5.0);
        assert_eq!(hours(&[(10, 1_000_000)], 1000), None, "older than what is learnt from");
    }

    #[test]
    fn the_limit_is_a_multiple_of_the_usual_and_never_below_the_least() {
        let limit = |spikes: Spikes, usual| spikes.limit(usual);
        assert_eq!(limit(DEFAULT, None), None);
        assert_eq!(limit(DEFAULT, Some(60.0)), Some(100));
        assert_eq!(limit(DEFAULT, Some(0.1)), Some(10));
        assert_eq!(limit(Spikes { enabled: false, ..DEFAULT }, Some(60.0)), None);
        let own = SpikeRules { multiple: Some(2), ..SpikeRules::default() };
        assert_eq!(limit(Spikes::new(own, DEFAULT), Some(600.0)), Some(200));
    }

    #[test]
    fn a_spike_is_cut_off_and_ends_by_itself() {
        let (mut window, limit) = (Window::default(), Some(100));
        let mut now = NOON;
        for _ in 0..5 {
            let room = window.room(limit, now).unwrap();
            window.count(12, room.min(12), limit, now);
            assert_eq!(window.since(limit, now), None);
            now += MINUTE_US;
        }
        let began = now;
        assert_eq!(window.room(limit, now), Some(40));
        window.count(1000, 40, limit, now);
        assert_eq!((window.room(limit, now), window.since(limit, now)), (Some(0), Some(began)));
        assert_eq!(window.wait_us(now + 20_000_000), 40_000_000);
        // The steady 12 a minute that were let in before are forgotten minute by minute.
        now = NOON + 10 * MINUTE_US;
        assert_eq!((window.room(limit, now), window.since(limit, now)), (Some(12), Some(began)));
        now = began + 10 * MINUTE_US;
        assert_eq!((window.room(limit, now), window.since(limit, now)), (Some(100), None));
    }

    #[test]
    fn switching_it_off_ends_a_spike_at_once() {
        let mut window = Window::default();
        window.count(50, 10, Some(10), NOON);
        assert_eq!(window.since(Some(10), NOON), Some(NOON));
        assert_eq!((window.room(None, NOON), window.since(None, NOON)), (None, None));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_close_the_gate() {
        let mut window = Window::default();
        window.count(50, 10, Some(10), NOON);
        assert_eq!(window.room(Some(10), NOON - MINUTE_US), Some(0));
        assert_eq!(window.room(Some(10), NOON - 60 * MINUTE_US), Some(10));
    }
}
