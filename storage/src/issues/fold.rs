//! Events to sums: what a run of batches adds to each group and release. A pure function of narrow columns.
//!
//! Words are looked at once per batch, not once per row; what a title is made of is read for the first event of a group only.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, DictionaryArray, Int32Array, PrimitiveArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use hashbrown::HashMap;

use super::users::{Users, user_hash};
use crate::error::{Error, Result};
use crate::event::{Event, Kind, Level, ProjectId};
use crate::meta::issues::HOUR_US;
use crate::schema::{column_index, hot_schema};

/// The columns that are read, in the order in which [`Fold::add`] wants them.
const COLUMNS: [&str; 17] = [
    "project_id",
    "group_hash",
    "grouping_version",
    "timestamp",
    "received_at",
    "level",
    "kind",
    "platform",
    "logger",
    "message",
    "exception_type",
    "exception_value",
    "culprit",
    "release",
    "user_id",
    "user_email",
    "user_ip",
];
/// Different releases of one group in one run that are told apart for regressions.
const ARRIVALS_MAX: usize = 64;
const TITLE_CHARS_MAX: usize = 250;

/// A release, where the event named one.
pub(crate) type ReleaseName = Option<Arc<str>>;

/// The indexes of the columns that are read.
pub(crate) fn projection() -> &'static [usize] {
    static INDEXES: LazyLock<Vec<usize>> = LazyLock::new(|| COLUMNS.iter().map(|name| column_index(name)).collect());
    &INDEXES
}

/// Sums under way.
#[derive(Default)]
pub(crate) struct Fold {
    /// By project and group hash.
    pub(crate) groups: HashMap<(ProjectId, u64), Delta, ahash::RandomState>,
    /// By project and name.
    pub(crate) releases: HashMap<(ProjectId, Arc<str>), Seen, ahash::RandomState>,
    /// Events that were read, of any kind.
    pub(crate) rows: usize,
    /// Where the rows of the next batch lie.
    pub(crate) at: Place,
    /// For groups that nobody may have seen before: their hashes by earlier rules, the newest first.
    pub(crate) former: HashMap<(ProjectId, u64), Vec<u64>, ahash::RandomState>,
}

/// Where an event lies: the sequence number of its hot batch or the index of its file, and its row there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) source: u64,
    pub(crate) row: usize,
}

/// How many events there were, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) events: i64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

/// What some events add to a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    pub(crate) events: i64,
    /// When the first event happened, and its release.
    pub(crate) first: (i64, ReleaseName),
    /// When the last event happened, and its release.
    pub(crate) last: (i64, ReleaseName),
    pub(crate) level: Level,
    pub(crate) users: Users,
    /// Events by hour since 1970.
    pub(crate) hours: Vec<(i64, i64)>,
    /// The releases, and when the last event of each was received.
    pub(crate) arrivals: Vec<(ReleaseName, i64)>,
    pub(crate) grouping_version: i64,
    pub(crate) head: Head,
    /// Where one of the events lies, from which hashes by earlier rules can be made.
    pub(crate) place: Place,
}

/// What a new issue is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) title: String,
    pub(crate) culprit: String,
    pub(crate) kind: &'static str,
    pub(crate) platform: String,
    pub(crate) logger: String,
}

impl Fold {
    /// Adds a batch with the columns of [`projection`], hot or cold.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = Columns::of(batch)?;
        let mut releases: Vec<ReleaseName> = vec![None; columns.release.values.len()];
        for row in 0..batch.num_rows() {
            let project = ProjectId(columns.project[row]);
            // A client's clock may run ahead; nothing is seen before it happened.
            let seen = columns.timestamp[row].min(columns.received[row]);
            let release = columns
                .release
                .key(row)
                .map(|key| releases[key].get_or_insert_with(|| columns.release.values.value(key).into()).clone());
            if let Some(release) = &release {
                self.release(project, release, seen);
            }
            let level = columns.levels[columns.level.key(row).unwrap_or(0)];
            let kind = columns.kinds[columns.kind.key(row).unwrap_or(0)];
            if !makes_issues(kind, level) {
                continue;
            }
            let hash = columns.group.value(row).try_into().map(u64::from_be_bytes).unwrap_or_default();
            let place = Place { row: self.at.row + row, ..self.at };
            let delta = self.groups.entry((project, hash)).or_insert_with(|| columns.first(row, seen, kind, place));
            delta.event(seen, release, columns.received[row], level);
            if let Some(user) = columns.user(row) {
                delta.users.add(user);
            }
        }
        self.rows += batch.num_rows();
        self.at.row += batch.num_rows();
        Ok(())
    }

    fn release(&mut self, project: ProjectId, release: &Arc<str>, seen: i64) {
        let none = Seen { events: 0, first_us: seen, last_us: seen };
        let sum = self.releases.entry((project, release.clone())).or_insert(none);
        sum.events += 1;
        (sum.first_us, sum.last_us) = (sum.first_us.min(seen), sum.last_us.max(seen));
    }
}

/// Whether events of a kind and level belong to issues: errors and messages do, and logs from `error` on.
pub fn makes_issues(kind: Kind, level: Level) -> bool {
    match kind {
        Kind::Error | Kind::Message => true,
        Kind::Log => level >= Level::Error,
        Kind::Feedback => false,
    }
}

impl Delta {
    fn event(&mut self, seen: i64, release: ReleaseName, received: i64, level: Level) {
        self.events += 1;
        self.level = self.level.max(level);
        if earlier((seen, &release), (self.first.0, &self.first.1)) == Ordering::Less {
            self.first = (seen, release.clone());
        }
        if earlier((seen, &release), (self.last.0, &self.last.1)) == Ordering::Greater {
            self.last = (seen, release.clone());
        }
        let hour = seen.div_euclid(HOUR_US);
        match self.hours.iter_mut().rev().find(|known| known.0 == hour) {
            Some(known) => known.1 += 1,
            None => self.hours.push((hour, 1)),
        }
        if let Some(known) = self.arrivals.iter_mut().find(|known| known.0 == release) {
            known.1 = known.1.max(received);
        } else if self.arrivals.len() < ARRIVALS_MAX {
            self.arrivals.push((release, received));
        }
    }
}

/// The order of events by when they happened; of two at once the release decides, so that any order of arrival gives the same.
pub(crate) fn earlier(a: (i64, &ReleaseName), b: (i64, &ReleaseName)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1))
}

/// A column of words, whichever tier it is from.
struct Words {
    keys: Int32Array,
    values: StringArray,
}

impl Words {
    fn of(column: &dyn Array, name: &str) -> Result<Self> {
        let form = hot_schema().field(column_index(name)).data_type().clone();
        let hot = cast(column, &form).map_err(broken)?;
        let hot: &DictionaryArray<Int32Type> = hot.as_dictionary();
        Ok(Self { keys: hot.keys().clone(), values: hot.values().as_string::<i32>().clone() })
    }

    fn key(&self, row: usize) -> Option<usize> {
        (!self.keys.is_null(row)).then(|| self.keys.value(row) as usize)
    }

    fn text(&self, row: usize) -> Option<&str> {
        self.key(row).map(|key| self.values.value(key))
    }
}

struct Columns<'a> {
    project: &'a [i64],
    group: &'a arrow::array::FixedSizeBinaryArray,
    grouping_version: &'a [i32],
    timestamp: &'a [i64],
    received: &'a [i64],
    level: Words,
    kind: Words,
    platform: Words,
    logger: Words,
    message: &'a StringArray,
    exception_type: Words,
    exception_value: &'a StringArray,
    culprit: Words,
    release: Words,
    users: [&'a StringArray; 3],
    levels: Vec<Level>,
    kinds: Vec<Kind>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        let words = |index: usize| Words::of(batch.column(index), COLUMNS[index]);
        let text = |index: usize| batch.column(index).as_string_opt::<i32>().ok_or_else(|| unlike(COLUMNS[index]));
        let (level, kind) = (words(5)?, words(6)?);
        let levels = level.values.iter().map(|word| word.and_then(Level::parse).unwrap_or_default());
        let kinds = kind.values.iter().map(|word| word.and_then(Kind::parse).unwrap_or_default());
        Ok(Self {
            project: numbers::<Int64Type>(batch, 0)?,
            group: batch.column(1).as_fixed_size_binary_opt().ok_or_else(|| unlike(COLUMNS[1]))?,
            grouping_version: numbers::<Int32Type>(batch, 2)?,
            timestamp: numbers::<TimestampMicrosecondType>(batch, 3)?,
            received: numbers::<TimestampMicrosecondType>(batch, 4)?,
            levels: levels.chain([Level::default()]).collect(),
            kinds: kinds.chain([Kind::default()]).collect(),
            level,
            kind,
            platform: words(7)?,
            logger: words(8)?,
            message: text(9)?,
            exception_type: words(10)?,
            exception_value: text(11)?,
            culprit: words(12)?,
            release: words(13)?,
            users: [text(14)?, text(15)?, text(16)?],
        })
    }

    /// The user by the first of id, email address and IP address that is there.
    fn user(&self, row: usize) -> Option<u64> {
        let known =
            self.users.iter().zip(0..).find(|(column, _)| !column.is_null(row) && !column.value(row).is_empty());
        known.map(|(column, kind)| user_hash(kind, column.value(row)))
    }

    fn first(&self, row: usize, seen: i64, kind: Kind, place: Place) -> Delta {
        let text = |column: &'a StringArray| (!column.is_null(row)).then(|| column.value(row));
        let word = |words: &Words| words.text(row).map(|word| cut(word, TITLE_CHARS_MAX)).unwrap_or_default();
        let title = title(self.exception_type.text(row), text(self.exception_value), text(self.message));
        Delta {
            events: 0,
            first: (i64::MAX, None),
            last: (i64::MIN, None),
            level: Level::Trace,
            users: Users::default(),
            hours: vec![(seen.div_euclid(HOUR_US), 0)],
            arrivals: Vec::new(),
            grouping_version: self.grouping_version[row].into(),
            head: Head {
                title,
                culprit: word(&self.culprit),
                kind: kind.as_str(),
                platform: word(&self.platform),
                logger: word(&self.logger),
            },
            place,
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(batch: &RecordBatch, index: usize) -> Result<&[T::Native]> {
    let column = batch.column(index).as_any().downcast_ref::<PrimitiveArray<T>>();
    column.map(|column| column.values().as_ref()).ok_or_else(|| unlike(COLUMNS[index]))
}

fn unlike(name: &str) -> Error {
    Error::internal(format!("the column `{name}` of a batch is not of its type"))
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::caused(crate::ErrorKind::Internal, "could not count a batch", error)
}

/// What an issue is called: the exception's type with the first line of its text, or the first line of the message.
fn title(exception_type: Option<&str>, exception_value: Option<&str>, message: Option<&str>) -> String {
    let (kind, value) = (first_line(exception_type), first_line(exception_value));
    let title = match (kind, value) {
        ("", "") => first_line(message).to_owned(),
        ("", value) => value.to_owned(),
        (kind, "") => kind.to_owned(),
        (kind, value) => format!("{kind}: {value}"),
    };
    cut(if title.is_empty() { "(no message)" } else { &title }, TITLE_CHARS_MAX)
}

/// What an issue of an event is called.
pub fn title_of(event: &Event) -> String {
    title(event.exception_type.as_deref(), event.exception_value.as_deref(), event.message.as_deref())
}

fn first_line(text: Option<&str>) -> &str {
    text.and_then(|text| text.lines().map(str::trim).find(|line| !line.is_empty())).unwrap_or("")
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::hot::columns::Columns as Builder;

    fn fold(events: &[Event]) -> Fold {
        let mut builder = Builder::new(events.len());
        for (number, event) in events.iter().enumerate() {
            builder.push(ProjectId(1), &[number as u8; 16], event).unwrap();
        }
        let batch = builder.finish().unwrap().project(projection()).unwrap();
        let mut fold = Fold::default();
        fold.add(&batch).unwrap();
        fold
    }

    fn event(hash: u64, timestamp: i64) -> Event {
        let kind = Kind::Error;
        Event { timestamp, received_at: 10 * HOUR_US, kind, level: Level::Error, group_hash: hash, ..Event::default() }
    }

    #[test]
    fn events_are_summed_by_group() {
        let events = [
            Event { release: Some("1.0".into()), user_id: Some("7".into()), ..event(5, HOUR_US + 3) },
            Event {
                release: Some("2.0".into()),
                user_id: Some("7".into()),
                level: Level::Fatal,
                ..event(5, HOUR_US + 9)
            },
            Event { user_email: Some("7".into()), ..event(5, 99 * HOUR_US) },
            event(6, 1),
            Event { kind: Kind::Log, level: Level::Warning, release: Some("2.0".into()), ..event(7, 2) },
            Event { kind: Kind::Log, ..event(8, 2) },
            Event { kind: Kind::Message, level: Level::Info, ..event(9, 2) },
        ];
        let fold = fold(&events);
        let mut hashes: Vec<u64> = fold.groups.keys().map(|key| key.1).collect();
        hashes.sort_unstable();
        assert_eq!((hashes, fold.rows), (vec![5, 6, 8, 9], 7));
        let delta = &fold.groups[&(ProjectId(1), 5)];
        assert_eq!((delta.events, delta.level, delta.users.count()), (3, Level::Fatal, 2));
        assert_eq!(delta.first, (HOUR_US + 3, Some("1.0".into())));
        assert_eq!(delta.last, (10 * HOUR_US, None), "nothing is seen after its receipt");
        assert_eq!(delta.hours, [(1, 2), (10, 1)]);
        assert_eq!(delta.arrivals.len(), 3);
        let release = &fold.releases[&(ProjectId(1), "2.0".into())];
        assert_eq!(release, &Seen { events: 2, first_us: 2, last_us: HOUR_US + 9 });
    }

    #[test]
    fn a_title_is_one_line() {
        let check = |a, b, c, expected: &str| assert_eq!(title(a, b, c), expected);
        check(Some("ValueError"), Some("\n  bad \nworse"), None, "ValueError: bad");
        check(Some("ValueError"), None, Some("hello"), "ValueError");
        check(None, Some("bad"), Some("hello"), "bad");
        check(None, None, Some("hello\nthere"), "hello");
        check(None, Some(" "), None, "(no message)");
        assert_eq!(title(None, None, Some(&"ä".repeat(300))).chars().count(), 251);
    }
}
