//! How the value of a setting is written: plain numbers, sizes like `256MiB`, times like `5m`, words.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tephra_storage::Durability;

use super::LogFormat;
use crate::roles::Role;

/// What the numbers of a setting count, which its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    /// A time, with the milliseconds of one.
    Time(u64),
    Plain,
}

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Unit {
    /// By the words in a setting's name: `_bytes_max`, `_ms`, `_hours`.
    pub(super) fn of(name: &str) -> Self {
        let words = [("ms", 1), ("seconds", 1_000), ("minutes", 60_000), ("hours", 3_600_000), ("days", 86_400_000)];
        let mut parts = name.split(['_', '.']);
        if parts.clone().any(|part| part == "bytes") {
            return Self::Bytes;
        }
        let time = parts.find_map(|part| words.iter().find(|(word, _)| *word == part));
        time.map_or(Self::Plain, |(_, ms)| Self::Time(*ms))
    }

    fn read(self, text: &str) -> Result<u64, String> {
        let text = text.trim();
        if let Ok(number) = text.replace('_', "").parse() {
            return Ok(number);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = (text[..split].parse::<u64>(), text[split..].trim());
        let table: &[(&str, u64)] = match self {
            Self::Bytes => &SIZES,
            Self::Time(_) => &TIMES,
            Self::Plain => &[],
        };
        let factor = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix));
        let (Ok(number), Some((_, factor))) = (number, factor) else {
            return Err(format!("`{text}` is not {}", self.describe()));
        };
        let base = number.checked_mul(*factor).ok_or_else(|| format!("`{text}` is too large"))?;
        match self {
            Self::Time(ms) if base % ms != 0 => Err(format!("`{text}` is finer than the setting's unit")),
            Self::Time(ms) => Ok(base / ms),
            _ => Ok(base),
        }
    }

    fn show(self, number: u64) -> String {
        let shorten = |base: u64, table: &[(&str, u64)]| {
            let best =
                table.iter().filter(|(_, factor)| base.is_multiple_of(*factor)).max_by_key(|(_, factor)| *factor);
            best.map_or_else(|| base.to_string(), |(name, factor)| format!("\"{}{name}\"", base / factor))
        };
        match self {
            Self::Plain => number.to_string(),
            _ if number == 0 => "0".to_owned(),
            Self::Bytes if number.is_multiple_of(1024) => shorten(number, &SIZES[..4]),
            Self::Bytes => number.to_string(),
            Self::Time(ms) => number.checked_mul(ms).map_or_else(|| number.to_string(), |base| shorten(base, &TIMES)),
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Bytes => "a size such as `1048576` or `1MiB`",
            Self::Time(_) => "a time such as `500ms`, `30s`, `5m`, `24h` or `90d`, nor a plain number",
            Self::Plain => "a whole number",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Bytes => "size",
            Self::Time(_) => "time",
            Self::Plain => "number",
        }
    }
}

/// A type that a setting may have.
pub(super) trait Value: Sized {
    fn read(unit: Unit, text: &str) -> Result<Self, String>;
    /// As it stands in a TOML file.
    fn show(&self, unit: Unit) -> String;
    fn kind(unit: Unit) -> &'static str;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(unit: Unit, text: &str) -> Result<Self, String> {
                Self::try_from(unit.read(text)?).map_err(|_| format!("`{text}` is more than {}", Self::MAX))
            }

            fn show(&self, unit: Unit) -> String {
                unit.show(*self as u64)
            }

            fn kind(unit: Unit) -> &'static str {
                unit.kind()
            }
        }
    )*};
}

numbers!(u16, u32, u64, usize);

impl Value for bool {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        match text.trim() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        }
    }

    fn show(&self, _: Unit) -> String {
        self.to_string()
    }

    fn kind(_: Unit) -> &'static str {
        "true or false"
    }
}

impl Value for String {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self, _: Unit) -> String {
        toml::Value::from(self.as_str()).to_string()
    }

    fn kind(_: Unit) -> &'static str {
        "text"
    }
}

impl Value for PathBuf {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("the path is empty".to_owned()) } else { Ok(text.into()) }
    }

    fn show(&self, _: Unit) -> String {
        toml::Value::from(self.to_string_lossy().as_ref()).to_string()
    }

    fn kind(_: Unit) -> &'static str {
        "path"
    }
}

/// Where a listener listens; none where empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub Option<SocketAddr>);

impl Address {
    /// A port that only this machine reaches; 0 takes a free one.
    pub fn local(port: u16) -> Self {
        Self(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |address| address.fmt(f))
    }
}

impl Value for Address {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let numeric = text.trim().replacen("localhost:", "127.0.0.1:", 1);
        let parsed = numeric.parse().map_err(|_| format!("`{text}` is not an address such as `127.0.0.1:8080`"))?;
        Ok(Self(Some(parsed)))
    }

    fn show(&self, _: Unit) -> String {
        format!("\"{self}\"")
    }

    fn kind(_: Unit) -> &'static str {
        "address"
    }
}

macro_rules! words {
    ($type:ty, $kind:literal, $($word:literal => $value:path),+) => {
        impl Value for $type {
            fn read(_: Unit, text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok($value),)+
                    _ => Err(format!("`{text}` is not {}", $kind)),
                }
            }

            fn show(&self, _: Unit) -> String {
                match self {
                    $($value => format!("\"{}\"", $word),)+
                }
            }

            fn kind(_: Unit) -> &'static str {
                $kind
            }
        }
    };
}

words!(Durability, "`fsync` or `relaxed`", "fsync" => Durability::Fsync, "relaxed" => Durability::Relaxed);
words!(Role, "`viewer`, `member`, `admin` or `owner`", "viewer" => Role::Viewer, "member" => Role::Member, "admin" => Role::Admin, "owner" => Role::Owner);
words!(LogFormat, "`text` or `json`", "text" => LogFormat::Text, "json" => LogFormat::Json);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_units() {
        assert_eq!(Unit::of("query.memory_bytes_max"), Unit::Bytes);
        assert_eq!(Unit::of("roll.age_ms_max"), Unit::Time(1));
        assert_eq!(Unit::of("hot.dedup_window_hours"), Unit::Time(3_600_000));
        assert_eq!(Unit::of("query.rows_max"), Unit::Plain);
    }

    #[test]
    fn sizes_and_times_read_and_show() {
        let check = |unit: Unit, text: &str, number: u64, shown: &str| {
            assert_eq!(u64::read(unit, text), Ok(number), "{text}");
            assert_eq!(number.show(unit), shown);
            assert_eq!(u64::read(unit, shown.trim_matches('"')), Ok(number), "{shown}");
        };
        check(Unit::Bytes, "256MiB", 256 << 20, "\"256MiB\"");
        check(Unit::Bytes, "1 kb", 1000, "1000");
        check(Unit::Bytes, "1_048_576", 1 << 20, "\"1MiB\"");
        check(Unit::Time(1), "5m", 300_000, "\"5m\"");
        check(Unit::Time(1), "1500", 1500, "\"1500ms\"");
        check(Unit::Time(3_600_000), "2d", 48, "\"2d\"");
        check(Unit::Plain, "7", 7, "7");
    }

    #[test]
    fn wrong_values_are_refused_with_an_example() {
        let check = |unit: Unit, text: &str, part: &str| {
            let message = u16::read(unit, text).unwrap_err();
            assert!(message.contains(part), "{message}");
        };
        check(Unit::Bytes, "5m", "1MiB");
        check(Unit::Time(3_600_000), "90s", "finer");
        check(Unit::Plain, "70000", "more than 65535");
        check(Unit::Plain, "-1", "whole number");
        check(Unit::Time(1), "", "30s");
    }

    #[test]
    fn an_empty_address_is_none() {
        assert_eq!(Address::read(Unit::Plain, ""), Ok(Address(None)));
        assert_eq!(Address::read(Unit::Plain, "localhost:0"), Ok(Address::local(0)));
        assert!(Address::read(Unit::Plain, "8080").is_err());
    }
}
