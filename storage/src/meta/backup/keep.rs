//! Which copies are kept: the last few, and the last one of each of the last days, in case a mistake is seen late.

use std::collections::HashSet;

use super::Copy;

const LAST: usize = 4;
const DAYS: i64 = 14;
const DAY_US: i64 = 86_400_000_000;

/// Those of `copies` (the newest first) that nobody needs once there is another one, taken at `now_us`.
pub(super) fn superfluous(copies: &[Copy], now_us: i64) -> Vec<Copy> {
    let today = now_us.div_euclid(DAY_US);
    let mut days = HashSet::from([today]);
    let unneeded = |(place, copy): &(usize, &Copy)| {
        let day = copy.taken_at_us().div_euclid(DAY_US);
        let last_of_its_day = days.insert(day) && today - day < DAYS;
        *place + 1 >= LAST && !last_of_its_day
    };
    copies.iter().enumerate().filter(unneeded).map(|(_, copy)| copy.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_and_the_last_of_each_day_are_kept() {
        let hour_us = DAY_US / 24;
        let now = 1000 * DAY_US + 12 * hour_us;
        // One each hour for thirty days.
        let all: Vec<Copy> = (1..30 * 24).map(|hour| Copy::new(now - hour * hour_us, [0; 32])).collect();
        let gone = superfluous(&all, now);
        let kept: Vec<i64> = all.iter().filter(|copy| !gone.contains(copy)).map(Copy::taken_at_us).collect();
        let last = (1..LAST as i64).map(|hour| now - hour * hour_us);
        let of_days = (1..DAYS).map(|day| (1001 - day) * DAY_US - hour_us);
        assert_eq!(kept, last.chain(of_days).collect::<Vec<_>>());
        assert!(superfluous(&all[..2], now).is_empty() && superfluous(&[], now).is_empty());
    }
}
