//! How often one client may ask: a generic cell rate (GCRA) for each token, session or address.
//!
//! A key that asks less often than it may is told nothing and costs one entry; its entry goes once it would be new again,
//! so that the memory is bounded by those who asked in the last seconds, however many addresses there are in the world.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::answer::{Answer, Kind, Result};
use crate::settings::LimitSettings;

/// Old entries are swept after so many checks.
const CHECKS_PER_SWEEP: u32 = 4096;

type Limiter<K, C> = RateLimiter<K, DefaultKeyedStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One rate for each key. A limit of 0 per second is none.
pub(crate) struct Keyed<K: Hash + Eq + Clone, C: Clock = MonotonicClock> {
    limiter: Option<Limiter<K, C>>,
    checks: AtomicU32,
    clock: C,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// Lets each key through `per_second` times, and `burst` times at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self::with_clock(per_second, burst, MonotonicClock)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Keyed<K, C> {
    fn with_clock(per_second: u32, burst: u32, clock: C) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|rate| {
            let quota = Quota::per_second(rate).allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
            RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone())
        });
        Self { limiter, checks: AtomicU32::new(0), clock }
    }

    /// Counts one request of a key; the answer to one too many says when to come back.
    pub(crate) fn check(&self, key: &K) -> Result<()> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_PER_SWEEP == CHECKS_PER_SWEEP - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|until| {
            Answer::new(Kind::RateLimited, "too many requests").after(until.wait_time_from(self.clock.now()))
        })
    }
}

/// The limits of a server.
pub(crate) struct Limits {
    address: Keyed<IpAddr>,
    token: Keyed<String>,
}

impl Limits {
    /// By the settings.
    pub(crate) fn new(settings: &LimitSettings) -> Self {
        Self {
            address: Keyed::new(settings.address_per_second, settings.address_burst),
            token: Keyed::new(settings.token_per_second, settings.token_burst),
        }
    }

    /// Counts a request without a right to what it asks for.
    pub(crate) fn address(&self, address: IpAddr) -> Result<()> {
        self.address.check(&household(address))
    }

    /// Counts a request with a good token or session, by its id.
    pub(crate) fn token(&self, id: &str) -> Result<()> {
        self.token.check(&id.to_owned())
    }
}

/// Whom an address is of: a household has one IPv4 address or a /64 of IPv6.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn one_too_many_is_told_when_to_come_back_and_others_are_not() {
        let clock = FakeRelativeClock::default();
        let limit = Keyed::with_clock(2, 3, clock.clone());
        for _ in 0..3 {
            limit.check(&"a").unwrap();
        }
        let answer = limit.check(&"a").unwrap_err();
        assert_eq!((answer.kind, answer.retry_after), (Kind::RateLimited, Some(Duration::from_millis(500))));
        assert_eq!((answer.kind.http().as_u16(), answer.retry_after_seconds()), (429, Some(1)));
        limit.check(&"b").unwrap();
        clock.advance(Duration::from_millis(500));
        limit.check(&"a").unwrap();
        assert!(limit.check(&"a").is_err());
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let limit = Keyed::new(0, 0);
        assert!((0..1000).all(|_| limit.check(&1).is_ok()));
    }

    #[test]
    fn those_who_are_quiet_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limit = Keyed::with_clock(10, 10, clock.clone());
        for key in 0..3 * CHECKS_PER_SWEEP {
            limit.check(&key).unwrap();
            clock.advance(Duration::from_millis(100));
        }
        assert!(limit.limiter.unwrap().len() <= 2 * CHECKS_PER_SWEEP as usize);
    }

    #[test]
    fn a_household_of_ipv6_is_one_client() {
        let of = |text: &str| household(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    }
}
