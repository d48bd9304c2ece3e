//! A statement whose conditions or rows are known at run time only: fixed pieces of text, and values that are bound.
//!
//! SQLite and PostgreSQL both read `$1`, `$2`, …, which `sqlx`'s own builder does not write for a database chosen at run time.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Type};

/// A statement under way.
#[derive(Default)]
pub(crate) struct Statement {
    text: String,
    arguments: AnyArguments,
}

impl Statement {
    /// Begins with a fixed text.
    pub(crate) fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), arguments: AnyArguments::default() }
    }

    /// Adds a fixed text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value's place, and the value.
    pub(crate) fn bind<'v, T: Encode<'v, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        // Numbers and texts, which is all that is ever bound, encode without fail.
        let added = self.arguments.add(value);
        debug_assert!(added.is_ok());
        self.text.push_str(&format!("${}", self.arguments.len()));
        self
    }

    /// Adds a number as it is written: for statements of many rows, as SQLite looks each place up among all others. Digits and a
    /// sign carry nothing but a number.
    pub(crate) fn number(&mut self, value: i64) -> &mut Self {
        self.text.push_str(&value.to_string());
        self
    }

    /// Adds numbers parted by commas, in parentheses; `(NULL)` where there is none.
    pub(crate) fn numbers(&mut self, values: impl IntoIterator<Item = i64>) -> &mut Self {
        let mut before = "(";
        for value in values {
            self.push(before).number(value);
            before = ", ";
        }
        if before == "(" {
            self.push("(NULL");
        }
        self.push(")")
    }

    /// Adds values parted by commas, in parentheses; `(NULL)`, which nothing equals, where there is none.
    pub(crate) fn list<'v, T: Encode<'v, Any> + Type<Any>>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let mut before = "(";
        for value in values {
            self.push(before).bind(value);
            before = ", ";
        }
        if before == "(" {
            self.push("(NULL");
        }
        self.push(")")
    }

    /// The statement, ready to run.
    pub(crate) fn query(self) -> Query<'static, Any, AnyArguments> {
        // Texts that differ with every call would only push others out of the cache of prepared statements.
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments).persistent(false)
    }
}
