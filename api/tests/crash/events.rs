//! Events whose whole content follows from their number, so that any stored row can be checked without keeping it.

use std::collections::BTreeMap;

use tephra_storage::{Event, Kind, Level, ProjectId, Text};

/// SplitMix64: enough for tests, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// What is compared of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) timestamp: i64,
    pub(crate) level: String,
    pub(crate) message: Option<String>,
    pub(crate) exception_type: Option<String>,
    pub(crate) stack: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The columns of `Content`, after `event_id`, in its order.
pub(crate) const COLUMNS: [&str; 10] =
    ["event_id", "timestamp", "level", "message", "exception_type", "stack", "service", "user_id", "trace_id", "tags"];

/// The events of one run.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    run: u64,
    start_us: i64,
}

impl Events {
    pub(crate) fn new(run: u64, start_us: i64) -> Self {
        Self { run, start_us }
    }

    pub(crate) fn id(&self, number: u64) -> [u8; 16] {
        ((u128::from(self.run) << 64) | u128::from(number)).to_be_bytes()
    }

    /// The number of an event of this run.
    pub(crate) fn number(&self, id: &[u8; 16]) -> Option<u64> {
        let id = u128::from_be_bytes(*id);
        ((id >> 64) as u64 == self.run).then_some(id as u64)
    }

    pub(crate) fn content(&self, number: u64) -> Content {
        let mut random = Random::new(self.run ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        // One in eight is hours late, which sends it to files of its own.
        let late_us = if random.one_in(8) { 3_600_000_000 * (2 + random.below(30)) } else { random.below(60_000_000) };
        let group = random.below(40);
        let failed = !random.one_in(4);
        let user = random.below(500);
        let mut tags = BTreeMap::new();
        for _ in 0..random.below(4) {
            let key = random.pick(&["region", "browser", "tier", "größe"]).to_owned();
            tags.insert(key, format!("value {}", random.below(9)));
        }
        let depth = 2 + random.below(6);
        let stack = (0..depth).map(|i| format!("  at module{group}.step{i} (file{i}.py:{})", random.below(300)));
        let stack = stack.collect::<Vec<_>>().join("\n");
        let trace = format!("{:016x}{:016x}", random.next() | 1, random.next());
        Content {
            timestamp: self.start_us - late_us as i64,
            level: if failed { "error" } else { "info" }.to_owned(),
            // Short, so that no number of an order is taken for that of a card.
            message: Some(format!("step {group} of order {:08x} went – wrong ✓", random.next() as u32)),
            exception_type: failed.then(|| format!("Error{group}")),
            stack: failed.then_some(stack),
            service: Some(random.pick(&["web", "worker", "billing"]).to_owned()),
            user_id: (!random.one_in(5)).then(|| format!("user-{user}")),
            trace_id: random.one_in(2).then_some(trace),
            tags,
        }
    }

    /// The event as the store takes it.
    pub(crate) fn event(&self, number: u64) -> Event {
        let content = self.content(number);
        let text = |value: Option<String>| value.map(Text::from);
        Event {
            event_id: Some(self.id(number)),
            timestamp: content.timestamp,
            received_at: self.start_us,
            level: Level::parse(&content.level).unwrap_or_default(),
            kind: if content.stack.is_some() { Kind::Error } else { Kind::Log },
            message: text(content.message),
            exception_type: text(content.exception_type),
            stack: text(content.stack),
            service: text(content.service),
            user_id: text(content.user_id),
            trace_id: content.trace_id.and_then(|hex| hex::decode(hex).ok()?.try_into().ok()),
            tags: content.tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            grouping_version: 1,
            ..Event::default()
        }
    }

    /// The project of in-process rounds.
    pub(crate) fn project(&self) -> ProjectId {
        ProjectId(1)
    }
}
