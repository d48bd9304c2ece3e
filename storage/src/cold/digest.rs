//! Digests of a file by segment, so that a flipped bit is found before it becomes a wrong row.
//!
//! The Parquet writer makes no checksums. A file is cut at the starts of its row groups; the last segment is everything
//! behind them (bloom filters, page index, footer). The list travels in the commit that names the file.

use std::fmt;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};

/// The ends of a file's segments and their digests (xxh3, 128 bits), in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests(Vec<(u64, u128)>);

impl Digests {
    /// Digests of `bytes`, cut at `ends` (the last one is the file's length).
    pub(crate) fn of(bytes: &[u8], ends: &[u64]) -> Self {
        let mut start = 0;
        let segments = ends.iter().map(|end| {
            let digest = xxh3_128(&bytes[start as usize..*end as usize]);
            start = *end;
            (*end, digest)
        });
        Self(segments.collect())
    }

    /// Reads the form of `Display`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let broken = || Error::corrupt(format!("`{text}` are no digests"));
        let segments = text.split(',').map(|segment| {
            let (end, digest) = segment.split_once(':').ok_or_else(broken)?;
            Ok((end.parse().map_err(|_| broken())?, u128::from_str_radix(digest, 16).map_err(|_| broken())?))
        });
        segments.collect::<Result<_>>().map(Self)
    }

    /// The number of segments.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known of the file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of each segment.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        (0..self.len()).map(|segment| self.range(segment))
    }

    /// The segments that `range` touches.
    pub(crate) fn touched(&self, range: &Range<u64>) -> Range<usize> {
        let first = self.0.partition_point(|(end, _)| *end <= range.start);
        let last = self.0.partition_point(|(end, _)| *end < range.end);
        first..(last + 1).min(self.0.len())
    }

    /// The bytes of one segment.
    pub(crate) fn range(&self, segment: usize) -> Range<u64> {
        let start = segment.checked_sub(1).and_then(|before| self.0.get(before)).map_or(0, |(end, _)| *end);
        start..self.0.get(segment).map_or(start, |(end, _)| *end)
    }

    /// Whether `bytes` are what was written as this segment.
    pub(crate) fn matches(&self, segment: usize, bytes: &[u8]) -> bool {
        self.0.get(segment).is_some_and(|(_, digest)| *digest == xxh3_128(bytes))
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (end, digest)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{end}:{digest:032x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_touches_the_segments_it_overlaps() {
        let bytes: Vec<u8> = (0..100).collect();
        let digests = Digests::of(&bytes, &[10, 40, 100]);
        for (range, touched) in
            [(0..1, 0..1), (9..11, 0..2), (10..40, 1..2), (39..41, 1..3), (99..100, 2..3), (0..100, 0..3)]
        {
            assert_eq!(digests.touched(&range), touched, "{range:?}");
        }
        assert_eq!(digests.range(1), 10..40);
        assert!(digests.matches(1, &bytes[10..40]) && !digests.matches(1, &bytes[11..41]));
        assert_eq!(Digests::parse(&digests.to_string()).unwrap(), digests);
        assert!(Digests::parse("12").is_err());
    }
}
