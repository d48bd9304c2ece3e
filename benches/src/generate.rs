//! The data set: error events of 200 services in 40 projects and 5,000 Zipf groups.
//!
//! A [`DataSet`] is the settings and the catalog of groups; [`DataSet::draw`] makes the numbers of one event; the
//! encoders write an event in the form of a protocol. Nothing is random at run time.

mod catalog;
mod json;
mod large;
mod native;
mod otlp;
mod parquet;
mod random;
mod sentry;
mod stacks;
mod template;
mod wire;
mod words;

pub use catalog::{Catalog, GROUPS, Group, Language, PROJECTS, SERVICES, Service, VARIANTS};
pub use json::JsonEncoder;
pub use native::{NativeEncoder, NativeScratch};
pub use otlp::{OtlpEncoder, OtlpScratch};
pub use parquet::write_parquet;
pub use sentry::SentryEncoder;

use std::sync::Arc;

use random::{Alias, Random, mix};

/// What stands in the stack of one event in 100,000, and nowhere else.
pub const RARE_TOKEN: &str = "zqxvault";
/// What stands inside a word of the message of 412 events in a million.
pub const SUBSTRING: &str = "QUASAR";
pub(crate) const SUBSTRING_SUFFIX: &str = " [E_QUASAR_7]";
/// The levels, most frequent first.
pub const LEVELS: [&str; 4] = ["error", "warning", "fatal", "info"];
/// The environments, most frequent first.
pub const ENVIRONMENTS: [&str; 3] = ["production", "staging", "development"];
/// The values of the tag `region`.
pub const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "us-west-2", "ap-south-1"];
/// The values of the tag `customer_tier`, most frequent first.
pub const TIERS: [&str; 3] = ["free", "team", "enterprise"];
/// Releases of a service that are in use at once.
pub const RELEASES: usize = 4;
/// Hosts of a service.
pub const HOSTS: usize = 8;

const RARE_EVERY: u64 = 100_000;
const SUBSTRING_EVERY: u64 = 2_427;
/// Drawn evenly from this many users per event, a data set has 685,000 distinct users per million events.
const USERS_PER_EVENT: f64 = 1.233;
const SECOND_US: i64 = 1_000_000;

/// How long an event is as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// About 2.2 KB: message, exception, stack, tags.
    Small,
    /// About 6 KB: breadcrumbs, contexts, request and variables as well.
    Large,
    /// About 50 KB, as `@sentry/node` sends it; by the protocol `sentry` alone, to others they are small.
    Huge,
}

/// The settings that make two data sets equal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Number of events.
    pub events: u64,
    /// How long they are.
    pub size: Size,
    /// What the rest is derived from.
    pub seed: u64,
    /// Days over which they spread.
    pub days: u32,
    /// The time of the last event, µs since 1970.
    pub base_us: i64,
}

/// The numbers of one event.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Its place in the data set.
    pub index: u64,
    /// Index of its group.
    pub group: u16,
    /// Which of the group's stacks it has.
    pub variant: u8,
    /// Index in [`LEVELS`].
    pub level: u8,
    /// Index in [`ENVIRONMENTS`].
    pub environment: u8,
    /// Index in the service's releases.
    pub release: u8,
    /// Index in the service's hosts.
    pub host: u8,
    /// Index in [`REGIONS`].
    pub region: u8,
    /// Index in [`TIERS`].
    pub tier: u8,
    /// The tag `canary`.
    pub canary: bool,
    /// The number of its user.
    pub user: u32,
    /// When it happened, µs since 1970.
    pub timestamp_us: i64,
    /// UUIDv7.
    pub event_id: [u8; 16],
    /// Unique.
    pub trace_id: [u8; 16],
    /// Unique.
    pub span_id: [u8; 8],
    seed: u64,
}

impl Draw {
    /// Whether the stack holds [`RARE_TOKEN`].
    pub fn is_rare(&self) -> bool {
        self.index % RARE_EVERY == RARE_EVERY / 2
    }

    /// Whether the message holds [`SUBSTRING`].
    pub fn has_substring(&self) -> bool {
        self.index % SUBSTRING_EVERY == SUBSTRING_EVERY / 3
    }

    /// The `n`-th number of the event's own, for the parameters of its texts.
    pub(crate) fn number(&self, n: u64) -> u64 {
        mix(self.seed.wrapping_add(n.wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }
}

/// The settings and the catalog that they give.
#[derive(Debug)]
pub struct DataSet {
    /// The settings.
    pub settings: Settings,
    /// Services and groups.
    pub catalog: Catalog,
    groups: Alias,
    users: u64,
}

impl DataSet {
    /// Builds the catalog; takes a fraction of a second and some 50 MB (200 MB where events are large).
    pub fn new(settings: Settings) -> Self {
        let weights: Vec<f64> = (0..GROUPS).map(|rank| 1.0 / (rank + 1) as f64).collect();
        let users = ((settings.events as f64 * USERS_PER_EVENT) as u64).max(1);
        let catalog = Catalog::new(settings.seed, settings.size);
        Self { groups: Alias::new(&weights), users, catalog, settings }
    }

    /// Makes the numbers of event `index`.
    pub fn draw(&self, index: u64) -> Draw {
        let seed = mix(self.settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mix(index));
        let mut random = Random::new(seed);
        let group = self.groups.sample(random.next()) as u16;
        let bits = random.next();
        let timestamp_us = self.timestamp_us(index, random.next());
        let mut event_id = [0; 16];
        event_id[..6].copy_from_slice(&(timestamp_us / 1_000).to_be_bytes()[2..]);
        event_id[6..8].copy_from_slice(&((bits >> 48) as u16 & 0x0fff | 0x7000).to_be_bytes());
        event_id[8..].copy_from_slice(&(random.next() >> 2 | 1 << 63).to_be_bytes());
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&random.next().to_le_bytes());
        trace_id[8..].copy_from_slice(&random.next().to_le_bytes());
        Draw {
            index,
            group,
            variant: (bits & 3) as u8,
            host: (bits >> 2 & 7) as u8,
            region: (bits >> 5 & 3) as u8,
            level: pick(bits >> 8 & 0xff, [218, 238, 248]),
            environment: pick(bits >> 16 & 0xff, [218, 244, 256]),
            release: pick(bits >> 24 & 0xff, [180, 230, 248]),
            tier: pick(bits >> 32 & 0xff, [160, 230, 256]),
            canary: bits >> 40 & 0xf == 0,
            user: (random.next() % self.users) as u32,
            timestamp_us,
            event_id,
            trace_id,
            span_id: random.next().to_le_bytes(),
            seed,
        }
    }

    /// The group of an event.
    pub fn group(&self, draw: &Draw) -> &Group {
        &self.catalog.groups[draw.group as usize]
    }

    /// The service of an event.
    pub fn service(&self, draw: &Draw) -> &Service {
        &self.catalog.services[self.group(draw).service as usize]
    }

    /// Mean bytes of an event as JSON with its newline, of the first 20,000 events.
    pub fn json_bytes_mean(self: &Arc<Self>) -> f64 {
        let count = self.settings.events.clamp(1, 20_000);
        let (encoder, mut out, mut bytes) = (JsonEncoder::new(self), Vec::new(), 0);
        for index in 0..count {
            out.clear();
            encoder.encode(&self.draw(index), &mut out);
            bytes += out.len();
        }
        bytes as f64 / count as f64
    }

    /// Evenly over the days in the order of the index, give or take a second.
    fn timestamp_us(&self, index: u64, random: u64) -> i64 {
        let span_us = i128::from(self.settings.days) * 86_400 * i128::from(SECOND_US);
        let events = i128::from(self.settings.events.max(1));
        let back_us = span_us * (events - i128::from(index)) / events;
        self.settings.base_us - back_us as i64 - (random % (2 * SECOND_US as u64)) as i64
    }
}

/// The index of the first limit above `value`, which is below 256.
fn pick(value: u64, limits: [u64; 3]) -> u8 {
    limits.iter().map(|limit| u8::from(value >= *limit)).sum()
}

#[cfg(test)]
mod tests;
