//! Lets only questions through: one statement that reads.
//!
//! The list names what is allowed, on the syntax tree, before anything is planned; DataFusion's own options are asked
//! once more on the plan. Neither file names nor settings can be reached from a session in the first place.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{SetExpr, Statement as Ast};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};

const ALLOWED: &str = "SELECT, EXPLAIN, SHOW TABLES, SHOW COLUMNS and DESCRIBE are allowed";
/// Nesting of expressions and subqueries.
const RECURSION_MAX: usize = 50;
/// Operators, set operations and joins together. A chain of them nests as deeply as it is long, and each costs a frame
/// of every walk over the plan.
const LINKS_MAX: usize = 500;

/// Reads the one statement of `sql`.
pub(crate) fn parse(sql: &str, bytes_max: usize, tables: &[&str]) -> Result<Statement> {
    if sql.len() > bytes_max {
        let length = sql.len();
        return Err(Error::invalid(format!("a statement of {length} bytes; `query.sql_bytes_max` is {bytes_max}")));
    }
    let links = links(sql);
    if links > LINKS_MAX {
        let message =
            format!("a statement of {links} operators, set operations and joins; at most {LINKS_MAX} are allowed");
        return Err(Error::invalid(message).with_hint("a list of values can be written `column IN (…)`"));
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

/// Counts what chains, before anything walks the statement. What is no SQL counts as nothing: the parser will say so.
fn links(sql: &str) -> usize {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let link = |token: &Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
                | Keyword::LIKE
                | Keyword::IS
                | Keyword::BETWEEN
                | Keyword::CASE
                | Keyword::WHEN
        ),
        Token::Comma
        | Token::SemiColon
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_) => false,
        Token::LBracket | Token::RBracket | Token::LBrace | Token::RBrace | Token::DoubleQuotedString(_) => false,
        _ => true,
    };
    tokens.iter().filter(|token| link(token)).count()
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
    fn a_chain_longer_than_the_bound_is_refused_before_anything_walks_it() {
        check(&format!("SELECT {}", vec!["1"; 400].join(" + ")), true);
        for link in [" + ", " OR ", " || ", " UNION ALL SELECT "] {
            check(&format!("SELECT {}", vec!["1"; 2000].join(link)), false);
        }
        check(&format!("SELECT 1 IN ({})", vec!["1"; 2000].join(", ")), true);
    }

    #[test]
    fn a_refusal_names_the_verb_and_a_mistake_its_place() {
        let refused = parse("drop table events", 1 << 16, &[]).unwrap_err();
        assert_eq!(refused.message, "`DROP` is not allowed");
        let wrong = parse("SELECT a\nFROM events WHERE )", 1 << 16, &[]).unwrap_err();
        assert_eq!(wrong.position.map(|at| at.0), Some(2), "{wrong}");
    }
}
