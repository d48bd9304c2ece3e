//! The queries' texts, and what the generator says that they must answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Range;

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::generate::{DataSet, Draw, ENVIRONMENTS, LEVELS, RARE_TOKEN, SUBSTRING};

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
const NEWEST: usize = 100;
const TOP: usize = 10;
/// The group whose service query c asks for, and the one whose project query f asks for.
const ASKED_GROUPS: [usize; 2] = [10, 3];

/// One of the seven.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) letter: char,
    pub(super) what: &'static str,
    pub(super) sql: String,
    /// The same for DuckDB on the lake's files, where ids are bytes.
    pub(super) duckdb: String,
    pub(super) expected: Expected,
}

/// What the rows must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The column `n`, in any order.
    Counts(Vec<u64>),
    /// The column `trace_id`, in this order.
    Traces(Vec<String>),
    /// So many.
    Rows(usize),
}

impl Expected {
    /// How `rows` differ, if they do.
    pub(super) fn check(&self, rows: &[Value]) -> Option<String> {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(u64::MAX);
        let (expected, got) = match self {
            Self::Counts(counts) => {
                let mut got: Vec<_> = rows.iter().map(|row| number(&row["n"])).collect();
                got.sort_unstable_by(|a, b| b.cmp(a));
                (format!("{counts:?}"), format!("{got:?}"))
            }
            Self::Traces(traces) => {
                let got: Vec<_> = rows.iter().map(|row| row["trace_id"].as_str().unwrap_or_default()).collect();
                (format!("{traces:?}"), format!("{got:?}"))
            }
            Self::Rows(count) => (format!("{count} rows"), format!("{} rows", rows.len())),
        };
        let short = |text: &str| text.chars().take(200).collect::<String>();
        (expected != got).then(|| format!("expected {}, got {}", short(&expected), short(&got)))
    }
}

/// The seven queries on the events `range` of a data set.
pub(super) fn queries(data: &DataSet, range: Range<u64>) -> Vec<Query> {
    let facts = Facts::gather(data, range);
    let time =
        |us: i64| DateTime::from_timestamp_micros(us).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true);
    let (week, day) = (time(facts.week_us), time(facts.day_us));
    let newest = "ORDER BY timestamp DESC LIMIT 100";
    let services = facts.project.iter().map(|at| format!("'{}'", data.catalog.services[*at as usize].name));
    let services = services.collect::<Vec<_>>().join(", ");
    let (service, environment) = (&data.catalog.services[facts.service as usize].name, ENVIRONMENTS[0]);
    let same = |letter, what, sql: String, expected| Query { letter, what, duckdb: sql.clone(), sql, expected };
    let one = facts.one.map(|draw| hex::encode(draw.trace_id));
    let id = one.clone().unwrap_or_else(|| "0".repeat(32));
    vec![
        same(
            'a',
            "count by level, 7 days",
            format!("SELECT level, count(*) AS n FROM events WHERE timestamp >= '{week}' GROUP BY level"),
            Expected::Counts(sorted(facts.levels.into_values())),
        ),
        same(
            'b',
            "top 10 groups, 24 h",
            format!(
                "SELECT group_hash, count(*) AS n FROM events WHERE timestamp >= '{day}' GROUP BY group_hash \
                 ORDER BY n DESC LIMIT {TOP}"
            ),
            Expected::Counts(sorted(facts.groups.into_values()).into_iter().take(TOP).collect()),
        ),
        same(
            'c',
            "newest 100 of a service and environment",
            format!("SELECT * FROM events WHERE service = '{service}' AND environment = '{environment}' {newest}"),
            Expected::Traces(facts.newest.into_traces()),
        ),
        same(
            'd',
            "newest 100 with a rare token in the stack",
            format!("SELECT * FROM events WHERE stack LIKE '%{RARE_TOKEN}%' {newest}"),
            Expected::Traces(facts.rare.into_traces()),
        ),
        Query {
            letter: 'e',
            what: "one trace id",
            sql: format!("SELECT * FROM events WHERE trace_id = '{id}'"),
            duckdb: format!("SELECT * FROM events WHERE trace_id = unhex('{id}')"),
            expected: Expected::Traces(one.into_iter().collect()),
        },
        same(
            'f',
            "errors per hour of one project's five services",
            format!(
                "SELECT date_trunc('hour', timestamp) AS hour, count(*) AS n FROM events \
                 WHERE service IN ({services}) AND level = 'error' GROUP BY 1 ORDER BY 1"
            ),
            Expected::Counts(sorted(facts.hours.into_values())),
        ),
        same(
            'g',
            "substring in the message",
            format!("SELECT timestamp, service, message FROM events WHERE message LIKE '%{SUBSTRING}%'"),
            Expected::Rows(facts.substrings),
        ),
    ]
}

/// What a pass over the draws gathers.
#[derive(Debug)]
struct Facts {
    week_us: i64,
    day_us: i64,
    service: u16,
    project: Vec<u16>,
    levels: HashMap<u8, u64>,
    groups: HashMap<u16, u64>,
    hours: BTreeMap<i64, u64>,
    newest: Newest,
    rare: Newest,
    one: Option<Draw>,
    substrings: usize,
}

impl Facts {
    fn gather(data: &DataSet, range: Range<u64>) -> Self {
        let catalog = &data.catalog;
        let [service, other] = ASKED_GROUPS.map(|group| catalog.groups[group].service);
        let project = &catalog.services[other as usize].project;
        let of_project = |at: &u16| catalog.services[*at as usize].project == *project;
        let middle = range.start + (range.end - range.start) / 2;
        let mut facts = Self {
            week_us: data.settings.base_us - 7 * DAY_US,
            day_us: data.settings.base_us - DAY_US,
            service,
            project: (0..catalog.services.len() as u16).filter(of_project).collect(),
            levels: HashMap::new(),
            groups: HashMap::new(),
            hours: BTreeMap::new(),
            newest: Newest::default(),
            rare: Newest::default(),
            one: (!range.is_empty()).then(|| data.draw(middle)),
            substrings: 0,
        };
        for draw in range.map(|index| data.draw(index)) {
            facts.add(data, &draw);
        }
        facts
    }

    fn add(&mut self, data: &DataSet, draw: &Draw) {
        let service = data.group(draw).service;
        if draw.timestamp_us >= self.week_us {
            *self.levels.entry(draw.level).or_default() += 1;
        }
        if draw.timestamp_us >= self.day_us {
            *self.groups.entry(draw.group).or_default() += 1;
        }
        if service == self.service && draw.environment == 0 {
            self.newest.add(draw);
        }
        if draw.is_rare() {
            self.rare.add(draw);
        }
        if LEVELS[draw.level as usize] == "error" && self.project.contains(&service) {
            *self.hours.entry(draw.timestamp_us.div_euclid(HOUR_US)).or_default() += 1;
        }
        self.substrings += usize::from(draw.has_substring());
    }
}

/// The newest hundred.
#[derive(Debug, Default)]
struct Newest(BinaryHeap<Reverse<(i64, [u8; 16])>>);

impl Newest {
    fn add(&mut self, draw: &Draw) {
        self.0.push(Reverse((draw.timestamp_us, draw.trace_id)));
        if self.0.len() > NEWEST {
            self.0.pop();
        }
    }

    fn into_traces(self) -> Vec<String> {
        self.0.into_sorted_vec().into_iter().map(|Reverse((_, trace_id))| hex::encode(trace_id)).collect()
    }
}

fn sorted(counts: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::generate::{Settings, Size};

    #[test]
    fn the_answers_add_up() {
        let settings = Settings { events: 50_000, size: Size::Small, seed: 1, days: 7, base_us: 1_763_654_400_000_000 };
        let queries = queries(&DataSet::new(settings), 0..50_000);
        let [a, b, c, _, e, f, g] = queries.as_slice() else { panic!("{} queries", queries.len()) };
        let Expected::Counts(levels) = &a.expected else { panic!("{a:?}") };
        assert!((49_990..=50_000).contains(&levels.iter().sum::<u64>()), "{levels:?}");
        let Expected::Counts(groups) = &b.expected else { panic!("{b:?}") };
        assert_eq!(groups.len(), 10);
        let Expected::Counts(hours) = &f.expected else { panic!("{f:?}") };
        assert!((168..=170).contains(&hours.len()), "{}", hours.len());
        assert!(matches!(&c.expected, Expected::Traces(traces) if traces.len() == 100), "{c:?}");
        assert!(matches!(&e.expected, Expected::Traces(traces) if traces.len() == 1), "{e:?}");
        assert_eq!(g.expected, Expected::Rows(21));
    }

    #[test]
    fn a_wrong_answer_is_named() {
        let counts = Expected::Counts(vec![3, 1]);
        assert_eq!(counts.check(&[json!({"n": 1}), json!({"n": "3"})]), None);
        assert_eq!(counts.check(&[json!({"n": 4})]), Some("expected [3, 1], got [4]".to_owned()));
    }
}
