//! How fast events may come: so many in a second or a minute, and so many at once (GCRA, the generic cell rate algorithm).
//!
//! One number is all that is kept: the time until which what came so far pays for. It runs ahead of the clock by at most the
//! burst, so a quiet time is never saved up beyond that. A restart forgets it: a full burst may come again.

use serde::{Deserialize, Serialize};
use tephra_storage::meta::keys::KeyRate;
use utoipa::ToSchema;

use crate::answer::{Answer, Kind, Result};

/// No honest limit is higher, and sums of it stay far from the end of numbers.
const EVENTS_MAX: u32 = 10_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// In which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    Second,
    Minute,
}

/// How fast events may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// So many events; 0 is no limit, also where the server has one by default.
    #[schema(maximum = 10_000_000)]
    pub(crate) events: u32,
    /// In which time.
    #[schema(inline)]
    pub(crate) per: Per,
    /// So many at once; `events` where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000_000, nullable = false)]
    pub(crate) burst: Option<u32>,
}

impl Rate {
    /// By two settings, of which 0 is none.
    pub(crate) fn of_settings(per_second: u32, burst: u32) -> Option<Self> {
        let burst = Some(burst).filter(|burst| *burst > 0);
        (per_second > 0).then_some(Self { events: per_second.min(EVENTS_MAX), per: Per::Second, burst })
    }

    /// Refuses what is not allowed, by the name of the field that holds it.
    pub(crate) fn check(&self, field: &str) -> Result<()> {
        let too_many = |name: &str| {
            Answer::new(Kind::Invalid, format!("`{field}.{name}` is to be at most {EVENTS_MAX}"))
                .field(format!("{field}.{name}"))
        };
        match self.burst {
            _ if self.events > EVENTS_MAX => Err(too_many("events")),
            Some(burst) if burst > EVENTS_MAX => Err(too_many("burst")),
            Some(0) => Err(Answer::new(Kind::Invalid, format!("`{field}.burst` is to be at least 1"))
                .hint("leave it out for as many as `events`")
                .field(format!("{field}.burst"))),
            _ => Ok(()),
        }
    }

    fn seconds(self) -> u32 {
        match self.per {
            Per::Second => 1,
            Per::Minute => 60,
        }
    }

    /// As it is stored with a key.
    pub(crate) fn of_key(self) -> KeyRate {
        KeyRate { events: self.events, seconds: self.seconds(), burst: self.burst.unwrap_or(0) }
    }
}

impl From<KeyRate> for Rate {
    fn from(rate: KeyRate) -> Self {
        let burst = Some(rate.burst).filter(|burst| *burst > 0);
        Self { events: rate.events, per: if rate.seconds == 60 { Per::Minute } else { Per::Second }, burst }
    }
}

/// A rate, ready to be held against the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    interval_ns: i64,
    burst: i64,
}

impl Pace {
    /// `None` where there is no limit.
    pub(super) fn new(rate: Rate) -> Option<Self> {
        let events = i64::from(rate.events.min(EVENTS_MAX));
        let interval_ns = (i64::from(rate.seconds()) * SECOND_NS).checked_div(events)?;
        let burst = i64::from(rate.burst.unwrap_or(rate.events).clamp(1, EVENTS_MAX));
        Some(Self { interval_ns, burst })
    }

    /// The most that may ever come at once.
    pub(super) fn burst(self) -> u64 {
        self.burst.unsigned_abs()
    }
}

/// The time until which what came pays for, ns since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gcra(i64);

impl Gcra {
    /// How many events may come now.
    pub(super) fn room(self, pace: Pace, now_us: i64) -> u64 {
        let now = now_us.saturating_mul(1000);
        ((now + pace.burst * pace.interval_ns - self.from(pace, now)) / pace.interval_ns).unsigned_abs()
    }

    /// Counts so many, which there must be room for.
    pub(super) fn take(&mut self, pace: Pace, events: u64, now_us: i64) {
        let now = now_us.saturating_mul(1000);
        let events = i64::try_from(events).unwrap_or(i64::MAX).min(pace.burst);
        self.0 = self.from(pace, now) + events * pace.interval_ns;
    }

    /// How long it is until so many may come, µs; as many as ever may at once where they are more.
    pub(super) fn wait_us(self, pace: Pace, events: u64, now_us: i64) -> i64 {
        let now = now_us.saturating_mul(1000);
        let events = i64::try_from(events).unwrap_or(i64::MAX).min(pace.burst);
        let wait = self.from(pace, now) + (events - pace.burst) * pace.interval_ns - now;
        (wait.max(0) + 999) / 1000
    }

    /// Where counting begins: now, or later. A clock that was set back does not close the gate for longer than the burst.
    fn from(self, pace: Pace, now: i64) -> i64 {
        self.0.clamp(now, now + pace.burst * pace.interval_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_790_000_000_000_000;

    fn pace(events: u32, per: Per, burst: Option<u32>) -> Pace {
        Pace::new(Rate { events, per, burst }).unwrap()
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let (pace, mut gcra) = (pace(2, Per::Second, Some(5)), Gcra::default());
        assert_eq!((pace.burst(), gcra.room(pace, NOON)), (5, 5));
        gcra.take(pace, 5, NOON);
        assert_eq!((gcra.room(pace, NOON), gcra.wait_us(pace, 1, NOON)), (0, 500_000));
        assert_eq!(gcra.wait_us(pace, 3, NOON), 1_500_000);
        assert_eq!(gcra.room(pace, NOON + 499_999), 0);
        assert_eq!(gcra.room(pace, NOON + 500_000), 1);
        gcra.take(pace, 1, NOON + 500_000);
        assert_eq!(gcra.room(pace, NOON + 900_000), 0);
        assert_eq!(gcra.room(pace, NOON + 3_600_000_000), 5);
    }

    #[test]
    fn minutes_and_defaults() {
        let minute = pace(60, Per::Minute, None);
        assert_eq!((minute.interval_ns, minute.burst()), (SECOND_NS, 60));
        assert_eq!(Pace::new(Rate { events: 0, per: Per::Minute, burst: Some(3) }), None);
        assert_eq!(Rate::of_settings(0, 7), None);
        assert_eq!(Rate::of_settings(5, 0), Some(Rate { events: 5, per: Per::Second, burst: None }));
        let rate = Rate { events: 9, per: Per::Minute, burst: Some(2) };
        assert_eq!(Rate::from(rate.of_key()), rate);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_close_the_gate_for_long() {
        let (pace, mut gcra) = (pace(10, Per::Second, Some(10)), Gcra::default());
        gcra.take(pace, 10, NOON);
        let earlier = NOON - 3_600_000_000;
        assert_eq!((gcra.room(pace, earlier), gcra.wait_us(pace, 1, earlier)), (0, 100_000));
        gcra.take(pace, 0, earlier);
        assert_eq!(gcra.room(pace, earlier + 100_000), 1);
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let check = |events, burst, field: Option<&str>| {
            let checked = Rate { events, per: Per::Second, burst }.check("rate");
            assert_eq!(checked.err().and_then(|answer| answer.field).as_deref(), field);
        };
        check(10, None, None);
        check(EVENTS_MAX + 1, None, Some("rate.events"));
        check(1, Some(0), Some("rate.burst"));
        check(1, Some(EVENTS_MAX + 1), Some("rate.burst"));
    }

    proptest! {
        /// In any time, no more comes than the burst and the rate of that time.
        #[test]
        fn never_more_than_burst_and_rate(
            events in 1u32..1000, burst in 1u32..1000, steps in prop::collection::vec((0i64..2_000_000, 0u64..50), 1..60),
        ) {
            let (pace, mut gcra) = (pace(events, Per::Second, Some(burst)), Gcra::default());
            let (mut now, mut taken) = (NOON, 0u64);
            for (wait, wanted) in steps {
                now += wait;
                let room = gcra.room(pace, now).min(wanted);
                gcra.take(pace, room, now);
                taken += room;
                let allowed = u64::from(burst) + ((now - NOON) as u64 * u64::from(events)).div_ceil(1_000_000) + 1;
                prop_assert!(taken <= allowed, "{taken} of {allowed}");
            }
        }
    }
}
