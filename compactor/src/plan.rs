//! Decides whether to roll: a pure function of the store's figures and the time.

use tephra_storage::StoreStatus;

/// When hot events are rolled, and when the lake is tidied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollSettings {
    /// Hot events of this many bytes in memory are rolled.
    pub bytes_max: usize,
    /// Hot events are rolled when the oldest is this old.
    pub age_ms_max: u64,
    /// How often the lake is followed, and swept of what no version names.
    pub tidy_interval_ms: u64,
}

impl Default for RollSettings {
    fn default() -> Self {
        Self { bytes_max: 128 << 20, age_ms_max: 300_000, tidy_interval_ms: 60_000 }
    }
}

/// Why a roll is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// There is enough for a good file.
    Size,
    /// The oldest event has waited long enough.
    Age,
}

/// Whether a roll is due at `now_us`.
pub(crate) fn due(status: &StoreStatus, settings: &RollSettings, now_us: i64) -> Option<Due> {
    let oldest = status.oldest_hot_received_at?;
    let age_us_max = i64::try_from(settings.age_ms_max.saturating_mul(1000)).unwrap_or(i64::MAX);
    if status.hot_bytes >= settings.bytes_max as u64 {
        Some(Due::Size)
    } else if now_us.saturating_sub(oldest) >= age_us_max {
        Some(Due::Age)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_is_due_by_size_or_by_age() {
        let settings = RollSettings { bytes_max: 100, age_ms_max: 1, ..RollSettings::default() };
        let status =
            |hot_bytes, oldest| StoreStatus { hot_bytes, oldest_hot_received_at: oldest, ..Default::default() };
        for (hot_bytes, oldest, expected) in [
            (0, None, None),
            (99, Some(9_001), None),
            (99, Some(9_000), Some(Due::Age)),
            (100, Some(9_999), Some(Due::Size)),
            (1, Some(20_000), None),
        ] {
            assert_eq!(due(&status(hot_bytes, oldest), &settings, 10_000), expected, "{hot_bytes} {oldest:?}");
        }
    }
}
