//! Events as they are stored, batch by batch: for those who try rules on them.

use datafusion::logical_expr::Expr;
use tephra_storage::ProjectId;

use super::events::order;
use super::plan::filtered;
use super::selection::Selection;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::error::Result;
use crate::search::column;

impl Engine {
    /// Streams columns of the events of `projects` that are selected, in the table form: the newest so many, newest first, or all
    /// of them in no order. All may take as long as the history is, and are never in memory together; dropping the answer ends it.
    ///
    /// # Errors
    /// `Invalid` for a search that is wrong, and as [`Engine::sql`].
    pub async fn stored(
        &self,
        projects: &[ProjectId],
        selection: &Selection,
        columns: &[&'static str],
        newest: Option<usize>,
    ) -> Result<Answer> {
        let filter = selection.filter()?;
        let columns: Vec<Expr> = columns.iter().map(|name| column(name)).collect();
        match newest {
            None => {
                let make = move |events| filtered(events, filter)?.project(columns)?.build();
                self.built_long(projects, Box::new(make)).await
            }
            Some(limit) => {
                let make = move |events| {
                    filtered(events, filter)?.project(columns)?.sort_with_limit(order(true), Some(limit))?.build()
                };
                self.built(projects, Box::new(make)).await
            }
        }
    }
}
