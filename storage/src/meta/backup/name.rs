//! How a copy is named: `20261121T140000.000000Z-<sha256 of its bytes>.sqlite.zst`.

use chrono::{DateTime, NaiveDateTime, Utc};
use object_store::path::Path;

const TIME: &str = "%Y%m%dT%H%M%S%.6fZ";
const END: &str = ".sqlite.zst";

/// One copy of the metadata database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    taken_at: DateTime<Utc>,
    digest: [u8; 32],
}

impl Copy {
    pub(super) fn new(taken_at_us: i64, digest: [u8; 32]) -> Self {
        Self { taken_at: DateTime::from_timestamp_micros(taken_at_us).unwrap_or_default(), digest }
    }

    /// What is not named like a copy is none.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let (time, rest) = path.split_once('-')?;
        let taken_at = NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc();
        let digest = hex::decode(rest.strip_suffix(END)?).ok()?.try_into().ok()?;
        Some(Self { taken_at, digest })
    }

    pub(super) fn path(&self) -> Path {
        Path::from(format!("{}-{}{END}", self.taken_at.format(TIME), hex::encode(self.digest)))
    }

    /// When it was taken, microseconds UTC.
    pub fn taken_at_us(&self) -> i64 {
        self.taken_at.timestamp_micros()
    }

    /// SHA-256 of its bytes.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl std::fmt::Display for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_time_and_the_digest() {
        let copy = Copy::new(1_795_269_600_000_007, [7; 32]);
        let name = copy.to_string();
        assert!(name.starts_with("20261121T140000.000007Z-0707") && name.ends_with("07.sqlite.zst"), "{name}");
        assert_eq!(Copy::parse(&name), Some(copy));
        for other in ["", "readme.txt", "20261121T140000.000007Z-07.sqlite.zst", "x-y.sqlite.zst"] {
            assert_eq!(Copy::parse(other), None, "{other}");
        }
    }
}
