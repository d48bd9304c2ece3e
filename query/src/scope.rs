//! Whose events a session sees: the list of projects that every scan applies to files, segments and rows.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, in_list, lit};
use tephra_storage::ProjectId;
use tephra_storage::schema::{column_index, table_schema};

/// The caller's projects, sorted, each once.
#[derive(Clone, Debug)]
pub(crate) struct Scope(Arc<[ProjectId]>);

impl Scope {
    pub(crate) fn new(projects: &[ProjectId]) -> Self {
        let mut projects = projects.to_vec();
        projects.sort_unstable();
        projects.dedup();
        Self(projects.into())
    }

    fn holds(&self, project: &ProjectId) -> bool {
        self.0.binary_search(project).is_ok()
    }

    /// Whether any of `others` may be the caller's; an empty list is a file of unknown projects.
    pub(crate) fn meets(&self, others: &[ProjectId]) -> bool {
        others.is_empty() || others.iter().any(|project| self.holds(project))
    }

    /// Whether all of `others` are the caller's for certain.
    pub(crate) fn covers(&self, others: &[ProjectId]) -> bool {
        !others.is_empty() && others.iter().all(|project| self.holds(project))
    }

    /// `project_id IN (…)` over the table form.
    pub(crate) fn predicate(&self) -> Result<Arc<dyn PhysicalExpr>> {
        let column = Arc::new(Column::new("project_id", column_index("project_id")));
        let ids = self.0.iter().map(|project| lit(ScalarValue::Int64(Some(project.0)))).collect();
        in_list(column, ids, &false, table_schema().as_ref())
    }

    /// Which rows of a `project_id` column are the caller's; `None` is all.
    pub(crate) fn mask(&self, ids: &dyn Array) -> Result<Option<BooleanArray>> {
        let ids = ids
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| exec_datafusion_err!("`project_id` is not {}", DataType::Int64))?;
        let values = ids.values();
        // Rows come in runs of one project.
        let mut last = (0, self.holds(&ProjectId(0)));
        let mut check = |id: i64| {
            if last.0 != id {
                last = (id, self.holds(&ProjectId(id)));
            }
            last.1
        };
        if values.iter().all(|id| check(*id)) {
            return Ok(None);
        }
        Ok(Some(values.iter().map(|id| Some(check(*id))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    #[test]
    fn only_the_callers_rows_are_kept() {
        let scope = Scope::new(&[ProjectId(3), ProjectId(1), ProjectId(3)]);
        assert!(scope.meets(&[ProjectId(2), ProjectId(3)]) && !scope.covers(&[ProjectId(2), ProjectId(3)]));
        assert!(scope.meets(&[]) && !scope.covers(&[]));
        assert!(scope.mask(&Int64Array::from(vec![1, 3, 3])).unwrap().is_none());
        let mask = scope.mask(&Int64Array::from(vec![0, 1, 2, 3])).unwrap().unwrap();
        assert_eq!(mask, BooleanArray::from(vec![false, true, false, true]));
    }
}
