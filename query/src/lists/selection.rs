//! Which events a read is about.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, in_list};

use crate::error::{Error, Result};
use crate::search::{Search, all, column, time};

/// Groups that one read may name.
pub(super) const GROUPS_MAX: usize = 10_000;

/// Which events a read is about; the default one is all of the caller's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// What they must meet.
    pub search: Search,
    /// The time from which relative ones count, µs.
    pub now_us: i64,
    /// Only those of these groups (`group_hash`), as an issue has them; they mean something only within one project.
    pub group_hashes: Option<Vec<u64>>,
    /// From this `timestamp` on, µs.
    pub from_us: Option<i64>,
    /// Before this `timestamp`, µs.
    pub to_us: Option<i64>,
}

impl Selection {
    /// The events that `search` finds, its relative times counted from `now_us`.
    pub fn new(search: Search, now_us: i64) -> Self {
        Self { search, now_us, ..Self::default() }
    }

    /// The same within `[from_us, to_us)`.
    #[must_use]
    pub fn within(mut self, from_us: i64, to_us: i64) -> Self {
        (self.from_us, self.to_us) = (Some(from_us), Some(to_us));
        self
    }

    /// The same of these groups.
    #[must_use]
    pub fn of_groups(mut self, group_hashes: Vec<u64>) -> Self {
        self.group_hashes = Some(group_hashes);
        self
    }

    /// The condition over the table form.
    pub(super) fn filter(&self) -> Result<Expr> {
        let mut conditions = Vec::new();
        let literal = |us| Expr::Literal(time(us), None);
        conditions.extend(self.from_us.map(|us| column("timestamp").gt_eq(literal(us))));
        conditions.extend(self.to_us.map(|us| column("timestamp").lt(literal(us))));
        if let Some(hashes) = &self.group_hashes {
            conditions.push(of_groups(hashes)?);
        }
        if !self.search.is_empty() {
            conditions.push(self.search.filter(self.now_us)?);
        }
        Ok(all(conditions))
    }
}

fn of_groups(hashes: &[u64]) -> Result<Expr> {
    if hashes.len() > GROUPS_MAX {
        let message = format!("{} groups at once; at most {GROUPS_MAX} are allowed", hashes.len());
        return Err(Error::invalid(message));
    }
    let text = |hash: &u64| Expr::Literal(ScalarValue::Utf8View(Some(format!("{hash:016x}"))), None);
    Ok(match hashes {
        [hash] => column("group_hash").eq(text(hash)),
        [] => datafusion::logical_expr::lit(false),
        hashes => in_list(column("group_hash"), hashes.iter().map(text).collect(), false),
    })
}
