//! How often somebody may try to log in: after a few failures each next try waits longer, by account and by client address.
//!
//! There is no lock that an attacker could put on somebody's account for good: waits grow to a limit and pass. An unknown
//! account is throttled like a known one. What is remembered is bounded; under a flood of addresses the oldest go.
//!
//! Known weakness: it is kept in memory, so a restart forgets it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::answer::{Answer, Kind, Result};
use crate::http::limit::household;

/// Failures without a wait, and the longest wait.
struct Rule {
    free: u32,
    wait_max: Duration,
}

const ACCOUNT: Rule = Rule { free: 5, wait_max: Duration::from_secs(15 * 60) };
const ADDRESS: Rule = Rule { free: 20, wait_max: Duration::from_secs(15 * 60) };
/// After so long without a failure they are forgotten.
const FORGOTTEN_US: i64 = 3600 * 1_000_000;
const REMEMBERED_MAX: usize = 50_000;

/// Failures of the last hour.
#[derive(Default)]
pub(crate) struct Throttle {
    accounts: Mutex<HashMap<String, Failures>>,
    addresses: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_us: i64,
}

impl Failures {
    fn free_at_us(self, rule: &Rule) -> i64 {
        if self.count < rule.free {
            return self.last_us;
        }
        let wait = Duration::from_secs(1 << (self.count - rule.free).min(12));
        self.last_us + wait.min(rule.wait_max).as_micros() as i64
    }
}

impl Throttle {
    /// Counts a try in advance, so that tries at the same time count as well; [`Throttle::succeeded`] takes it back.
    pub(crate) fn begin(&self, account: &str, address: IpAddr, now_us: i64) -> Result<()> {
        let address = household(address);
        enter(&mut self.addresses.lock(), address, &ADDRESS, now_us)?;
        enter(&mut self.accounts.lock(), account.to_lowercase(), &ACCOUNT, now_us)
    }

    /// Forgets the failures of an account, and one of the address.
    pub(crate) fn succeeded(&self, account: &str, address: IpAddr) {
        self.accounts.lock().remove(&account.to_lowercase());
        if let Some(failures) = self.addresses.lock().get_mut(&household(address)) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

fn enter<K: std::hash::Hash + Eq + Clone>(
    all: &mut HashMap<K, Failures>,
    key: K,
    rule: &Rule,
    now_us: i64,
) -> Result<()> {
    if all.len() >= REMEMBERED_MAX && !all.contains_key(&key) {
        all.retain(|_, failures| now_us - failures.last_us < FORGOTTEN_US);
        if all.len() >= REMEMBERED_MAX {
            let mut ages: Vec<i64> = all.values().map(|failures| failures.last_us).collect();
            let (_, middle, _) = ages.select_nth_unstable(REMEMBERED_MAX / 2);
            let middle = *middle;
            all.retain(|_, failures| failures.last_us > middle);
        }
    }
    let failures = all.entry(key).or_insert(Failures { count: 0, last_us: now_us });
    if now_us - failures.last_us >= FORGOTTEN_US {
        failures.count = 0;
    }
    let free_at = failures.free_at_us(rule);
    if failures.count >= rule.free && now_us < free_at {
        let wait = Duration::from_micros((free_at - now_us).unsigned_abs());
        return Err(Answer::new(Kind::RateLimited, "too many tries: wait a moment").after(wait));
    }
    *failures = Failures { count: failures.count.saturating_add(1), last_us: now_us };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn waits_grow_and_pass() {
        let throttle = Throttle::default();
        let mut now = 1_000 * SECOND;
        for _ in 0..5 {
            throttle.begin("A@b.c", address(1), now).unwrap();
        }
        let refused = throttle.begin("a@b.c", address(2), now).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_seconds()), (Kind::RateLimited, Some(1)));
        let mut waits = Vec::new();
        for n in 3..17 {
            let wait = throttle.begin("a@b.c", address(n), now).unwrap_err().retry_after.unwrap();
            waits.push(wait.as_secs());
            now += wait.as_micros() as i64;
            throttle.begin("a@b.c", address(n), now).unwrap();
        }
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        throttle.begin("other@b.c", address(2), now).unwrap();
    }

    #[test]
    fn a_success_forgets_the_account_but_not_the_guesses_of_the_address() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.begin("a", address(1), 0).unwrap();
        }
        throttle.succeeded("a", address(1));
        for _ in 0..5 {
            throttle.begin("a", address(3), 0).unwrap();
        }
        let left = (0..100).filter(|n| throttle.begin(&format!("x{n}"), address(1), 0).is_ok()).count();
        assert_eq!(left, 17);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..REMEMBERED_MAX as i64 + 10 {
            let _ = throttle.begin(&n.to_string(), address(1), n * 1000 * SECOND);
        }
        assert!(throttle.accounts.lock().len() <= REMEMBERED_MAX);
    }
}
