//! Lets only questions through: one statement that reads.
//!
//! The list names what is allowed, on the syntax tree, before anything is planned; DataFusion's own options are asked
//! once more on the plan. Neither file names nor settings can be reached from a session in the first place.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{SetExpr, Statement as Ast};

use crate::error::{Error, Result};

const ALLOWED: &str = "SELECT, EXPLAIN, SHOW TABLES, SHOW COLUMNS and DESCRIBE are allowed";
/// Nesting of expressions and subqueries.
const RECURSION_MAX: usize = 50;

/// Reads the one statement of `sql`.
pub(crate) fn parse(sql: &str, bytes_max: usize, tables: &[&str]) -> Result<Statement> {
    if sql.len() > bytes_max {
        let length = sql.len();
        return Err(Error::invalid(format!("a statement of {length} bytes; `query.sql_bytes_max` is {bytes_max}")));
    }
    let mut statements = DFParserBuilder::new(sql)
        .with_recursion_limit(RECURSION_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| Error::from_datafusion(&error, tables))?;
    match (statements.pop_front(), statements.pop_front()) {
        (Some(statement), None) => admit(statement),
        (None, _) => Err(Error::invalid("no statement").with_hint("try `SELECT count(*) FROM events`")),
        (Some(_), Some(_)) => Err(Error::invalid("more than one statement").with_hint("send one at a time")),
    }
}

fn admit(statement: Statement) -> Result<Statement> {
    let verdict = match &statement {
        Statement::Statement(ast) => admit_ast(ast),
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(ast) if matches!(ast.as_ref(), Ast::Query(_)) => admit_ast(ast),
            other => Err(verb(&other.to_string())),
        },
        other => Err(verb(&other.to_string())),
    };
    match verdict {
        Ok(()) => Ok(statement),
        Err(verb) => Err(Error::invalid(format!("`{verb}` is not allowed")).with_hint(ALLOWED)),
    }
}

fn admit_ast(ast: &Ast) -> std::result::Result<(), String> {
    match ast {
        Ast::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(_) => Err("INSERT".into()),
            SetExpr::Update(_) => Err("UPDATE".into()),
            SetExpr::Delete(_) => Err("DELETE".into()),
            SetExpr::Merge(_) => Err("MERGE".into()),
            _ => Ok(()),
        },
        Ast::ShowTables { .. } | Ast::ShowColumns { .. } | Ast::ExplainTable { .. } => Ok(()),
        other => Err(verb(&other.to_string())),
    }
}

/// The first words, in capitals.
fn verb(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or("this").to_ascii_uppercase()
}

/// The second look, at what the statement was planned to.
pub(crate) fn verify(plan: &LogicalPlan) -> datafusion::common::Result<()> {
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(plan)?;
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) if scan.table_name.table() == "df_settings" => {
            Err(Error::invalid("no table `information_schema.df_settings`").into())
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, allowed: bool) {
        assert_eq!(parse(sql, 1 << 16, &[]).is_ok(), allowed, "{sql}");
    }

    #[test]
    fn only_reads_pass() {
        for sql in [
            "SELECT 1",
            "WITH a AS (SELECT 1) SELECT * FROM a;",
            "VALUES (1)",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "SHOW COLUMNS FROM events",
            "DESCRIBE events",
        ] {
            check(sql, true);
        }
        for sql in [
            "",
            "SELECT 1; SELECT 2",
            "INSERT INTO events VALUES (1)",
            "EXPLAIN INSERT INTO events VALUES (1)",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'",
            "COPY (SELECT 1) TO 'x'",
            "SET a = 1",
            "RESET a",
            "SHOW ALL",
            "CREATE TABLE a AS SELECT 1",
            "DROP TABLE events",
            "PREPARE p AS SELECT 1",
            "BEGIN",
        ] {
            check(sql, false);
        }
    }

    #[test]
    fn a_refusal_names_the_verb_and_a_mistake_its_place() {
        let refused = parse("drop table events", 1 << 16, &[]).unwrap_err();
        assert_eq!(refused.message, "`DROP` is not allowed");
        let wrong = parse("SELECT a\nFROM WHERE", 1 << 16, &[]).unwrap_err();
        assert_eq!(wrong.position.map(|at| at.0), Some(2), "{wrong}");
    }
}
