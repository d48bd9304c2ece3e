//! Figures of groups, from which the list of issues under a search is made.

use std::collections::HashMap;

use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, max, min};
use tephra_storage::ProjectId;

use super::histogram::Buckets;
use super::plan::{count, filtered, gather, hashes, limit, numbers};
use super::selection::Selection;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::Statistics;
use crate::search::column;

/// Groups of one answer.
const LIMIT_MAX: usize = 10_000;
/// Groups of one answer with users: each costs a sketch of 16 KiB and more while it is made.
const WITH_USERS_MAX: usize = 1_000;
/// Groups of one answer times buckets.
const CELLS_MAX: usize = 200_000;

/// What is asked of groups.
#[derive(Clone, Debug, Default)]
pub struct GroupsPage {
    /// Of which events.
    pub selection: Selection,
    /// The first by what.
    pub order: GroupOrder,
    /// Groups: 1 to 10,000, with users to 1,000.
    pub limit: usize,
    /// Whether to count users, which costs a second look at the events.
    pub with_users: bool,
}

/// The order of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupOrder {
    /// The last event, newest first.
    #[default]
    LastSeen,
    /// The first event, newest first.
    FirstSeen,
    /// The number of events, greatest first.
    Events,
}

/// The events of one group within a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStats {
    /// The project.
    pub project: ProjectId,
    /// The group.
    pub group_hash: u64,
    /// How many.
    pub events: u64,
    /// The `timestamp` of the first, µs.
    pub first_seen_us: i64,
    /// The `timestamp` of the last, µs.
    pub last_seen_us: i64,
    /// About how many users, told apart by id, else email address, else IP address; within some two percent.
    pub users: Option<u64>,
}

/// Groups in the order that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// One for each.
    pub groups: Vec<GroupStats>,
    /// Whether there are more than were asked for.
    pub has_more: bool,
    /// How it was made.
    pub statistics: Statistics,
}

/// The events of some groups over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupHistogram {
    /// The buckets.
    pub buckets: Buckets,
    /// The events in each bucket, by project and group; groups without an event are not there.
    pub events: HashMap<(ProjectId, u64), Vec<u64>>,
    /// How it was made.
    pub statistics: Statistics,
}

impl Engine {
    /// Per project and group of a selection: how many events, the first, the last, and about how many users.
    ///
    /// # Errors
    /// `Invalid` for a limit or search that is wrong, and as [`Engine::sql`].
    pub async fn group_stats(&self, projects: &[ProjectId], page: GroupsPage) -> Result<Groups> {
        let GroupsPage { selection, order, limit, with_users } = page;
        self::limit(limit, if with_users { WITH_USERS_MAX } else { LIMIT_MAX })?;
        let filter = selection.filter()?;
        let key = match order {
            GroupOrder::LastSeen => "last_seen",
            GroupOrder::FirstSeen => "first_seen",
            GroupOrder::Events => "events",
        };
        let make = move |events| {
            let figures =
                [count(), min(column("timestamp")).alias("first_seen"), max(column("timestamp")).alias("last_seen")];
            let order = [
                column(key).sort(false, false),
                column("project_id").sort(true, false),
                column("group_hash").sort(true, false),
            ];
            filtered(events, filter)?
                .aggregate(["project_id", "group_hash"].map(column), figures)?
                .sort_with_limit(order, Some(limit + 1))?
                .build()
        };
        let found = gather(self, projects, make).await?;
        let mut groups = Vec::new();
        for batch in &found.batches {
            let (projects, hashes) = (numbers(batch, "project_id")?, hashes(batch, "group_hash")?);
            let (events, first, last) =
                (numbers(batch, "events")?, numbers(batch, "first_seen")?, numbers(batch, "last_seen")?);
            groups.extend((0..batch.num_rows()).map(|row| GroupStats {
                project: ProjectId(projects[row]),
                group_hash: hashes[row],
                events: events[row] as u64,
                first_seen_us: first[row],
                last_seen_us: last[row],
                users: None,
            }));
        }
        let has_more = groups.len() > limit;
        groups.truncate(limit);
        if with_users && !groups.is_empty() {
            self.count_users(projects, selection, &mut groups).await?;
        }
        Ok(Groups { groups, has_more, statistics: found.statistics })
    }

    async fn count_users(&self, projects: &[ProjectId], selection: Selection, groups: &mut [GroupStats]) -> Result<()> {
        let of_these = selection.of_groups(groups.iter().map(|group| group.group_hash).collect());
        let filter = of_these.filter()?;
        let make = move |events| {
            let user = coalesce(["user_id", "user_email", "user_ip"].map(column).to_vec());
            filtered(events, filter)?
                .aggregate(["project_id", "group_hash"].map(column), [approx_distinct(user).alias("users")])?
                .build()
        };
        let found = gather(self, projects, make).await?;
        let mut users = HashMap::new();
        for batch in &found.batches {
            let keys = numbers(batch, "project_id")?.into_iter().zip(hashes(batch, "group_hash")?);
            users.extend(keys.zip(numbers(batch, "users")?));
        }
        for group in groups {
            group.users = Some(users.get(&(group.project.0, group.group_hash)).map_or(0, |users| *users as u64));
        }
        Ok(())
    }

    /// The events of the groups that the selection names in each bucket of its range, for sparklines; groups times
    /// buckets are at most 200,000.
    ///
    /// # Errors
    /// `Invalid` without groups or a range, or where these are too many or too long, and as [`Engine::sql`].
    pub async fn group_histogram(
        &self,
        projects: &[ProjectId],
        of: &Selection,
        bucket_ms: i64,
    ) -> Result<GroupHistogram> {
        let buckets = Buckets::of(of, bucket_ms)?;
        match &of.group_hashes {
            Some(hashes) if hashes.len().saturating_mul(buckets.count) <= CELLS_MAX => {}
            Some(hashes) => {
                let message =
                    format!("{} groups of {} buckets; at most {CELLS_MAX} in all", hashes.len(), buckets.count);
                return Err(Error::invalid(message).with_hint("ask for longer buckets or fewer groups"));
            }
            None => return Err(Error::invalid("name the groups to count")),
        }
        let (filter, number) = (of.filter()?, buckets.number());
        let make = move |events| {
            filtered(events, filter)?
                .aggregate([column("project_id"), column("group_hash"), number], [count()])?
                .build()
        };
        let found = gather(self, projects, make).await?;
        let mut events: HashMap<(ProjectId, u64), Vec<u64>> = HashMap::new();
        for batch in &found.batches {
            let keys = numbers(batch, "project_id")?.into_iter().zip(hashes(batch, "group_hash")?);
            let counts = numbers(batch, "bucket")?.into_iter().zip(numbers(batch, "events")?);
            for ((project, hash), (number, count)) in keys.zip(counts) {
                buckets.add(events.entry((ProjectId(project), hash)).or_default(), number, count);
            }
        }
        Ok(GroupHistogram { buckets, events, statistics: found.statistics })
    }
}
