//! Events as lines of JSON, with the names of the columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::template::{write_hex, write_message, write_user};
use super::{DataSet, Draw, ENVIRONMENTS, LEVELS, REGIONS, Size, TIERS, VARIANTS, large};

/// Writes events of one data set.
#[derive(Debug)]
pub struct JsonEncoder {
    data: Arc<DataSet>,
    /// By group: the members that all its events share.
    groups: Vec<String>,
    /// By group and variant: the stack as a JSON string.
    stacks: Vec<String>,
}

impl JsonEncoder {
    /// Renders what groups share; some 40 MB.
    pub fn new(data: &Arc<DataSet>) -> Self {
        let groups = data.catalog.groups.iter().map(|group| {
            let service = &data.catalog.services[group.service as usize];
            let shared = BTreeMap::from([
                ("platform", service.language.platform()),
                ("logger", &service.logger),
                ("template", &group.template),
                ("exception_type", group.exception_type),
                ("exception_value", &group.exception_value),
                ("culprit", &group.culprit),
                ("service", &service.name),
                ("sdk_name", "tephra.bench"),
                ("sdk_version", "1.0.0"),
            ]);
            let tags: BTreeMap<_, _> = group.tags.iter().map(|(name, value)| (*name, value)).collect();
            let (shared, tags) = (to_json(&shared), to_json(&tags));
            format!("{},\"handled\":false,\"tags\":{}", &shared[1..shared.len() - 1], &tags[..tags.len() - 1])
        });
        let stacks = data.catalog.groups.iter().flat_map(|group| group.stacks.iter().map(|stack| to_json(&stack.text)));
        Self { groups: groups.collect(), stacks: stacks.collect(), data: data.clone() }
    }

    /// Appends one line.
    pub fn encode(&self, draw: &Draw, out: &mut Vec<u8>) {
        let (group, service) = (self.data.group(draw), self.data.service(draw));
        out.extend_from_slice(b"{\"event_id\":\"");
        write_hex(&draw.event_id, out);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        write_time(draw.timestamp_us, out);
        put(out, "\",\"level\":\"", LEVELS[draw.level as usize]);
        out.extend_from_slice(b"\",\"message\":\"");
        write_message(&group.message, draw, out);
        put(out, "\",", &self.groups[draw.group as usize]);
        put(out, ",\"region\":\"", REGIONS[draw.region as usize]);
        put(out, "\",\"customer_tier\":\"", TIERS[draw.tier as usize]);
        put(out, "\",\"canary\":\"", if draw.canary { "true" } else { "false" });
        put(out, "\"},\"environment\":\"", ENVIRONMENTS[draw.environment as usize]);
        put(out, "\",\"release\":\"", &service.releases[draw.release as usize]);
        put(out, "\",\"server_name\":\"", &service.hosts[draw.host as usize]);
        out.extend_from_slice(b"\",\"user_id\":\"");
        write_user(draw.user, out);
        out.extend_from_slice(b"\",\"trace_id\":\"");
        write_hex(&draw.trace_id, out);
        out.extend_from_slice(b"\",\"span_id\":\"");
        write_hex(&draw.span_id, out);
        out.extend_from_slice(b"\",\"stack\":");
        let variant = draw.variant as usize;
        if draw.is_rare() {
            out.extend_from_slice(to_json(&group.stacks[variant].rare()).as_bytes());
        } else {
            out.extend_from_slice(self.stacks[draw.group as usize * VARIANTS + variant].as_bytes());
        }
        if self.data.settings.size == Size::Large {
            for (n, (name, template)) in large::COLUMNS.iter().zip(&group.large).enumerate() {
                put(out, ",\"", name);
                out.extend_from_slice(b"\":");
                template.render(draw, 100 * (n as u64 + 1), out);
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

fn put(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn to_json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and maps of strings are JSON")
}

/// Writes `2026-11-20T16:05:00.123456Z` (days to date after Howard Hinnant's `civil_from_days`).
fn write_time(us: i64, out: &mut Vec<u8>) {
    let (days, rest) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000) as u64);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let seconds = rest / 1_000_000;
    let parts = [
        (year as u64, 4, b'-'),
        (month as u64, 2, b'-'),
        (day as u64, 2, b'T'),
        (seconds / 3_600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (rest % 1_000_000, 6, b'Z'),
    ];
    for (number, width, separator) in parts {
        let mut digits = *b"000000";
        let mut rest = number;
        for digit in digits[..width].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits[..width]);
        out.push(separator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_chrono_prints_them() {
        for us in [0, 1_763_654_400_123_456, 1_709_164_799_999_999, -1, 4_102_444_800_000_000] {
            let mut out = Vec::new();
            write_time(us, &mut out);
            let expected = chrono::DateTime::from_timestamp_micros(us).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ");
            assert_eq!(String::from_utf8(out).unwrap(), expected.to_string());
        }
    }
}
