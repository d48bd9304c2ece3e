//! A failure of the database in Tephra's words. Its own text goes to the log: it may show values of other people's rows.

use sqlx::error::ErrorKind as Database;

use crate::error::{Error, ErrorKind};

/// Turns a failure of the database into ours: `.map_err(told("could not add the user"))`.
pub(crate) fn told(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| tell(what, &error)
}

fn tell(what: &str, error: &sqlx::Error) -> Error {
    let kind = match error {
        sqlx::Error::RowNotFound => ErrorKind::NotFound,
        sqlx::Error::Database(database) => match database.kind() {
            Database::UniqueViolation => ErrorKind::Conflict,
            Database::ForeignKeyViolation => ErrorKind::NotFound,
            Database::NotNullViolation | Database::CheckViolation => ErrorKind::Invalid,
            _ if passes(database.code().as_deref()) => ErrorKind::Busy,
            _ => ErrorKind::Internal,
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            ErrorKind::Busy
        }
        _ => ErrorKind::Internal,
    };
    match kind {
        ErrorKind::NotFound => Error::new(kind, format!("{what}: there is no such thing")),
        ErrorKind::Conflict => Error::new(kind, format!("{what}: there is one already")),
        ErrorKind::Busy => {
            tracing::warn!(%error, "{what}");
            Error::new(kind, format!("{what}: the metadata database is busy or out of reach"))
        }
        _ => {
            tracing::error!(%error, "{what}");
            Error::new(kind, what)
        }
    }
}

/// Whether the same statement may succeed later: SQLite's busy and locked, PostgreSQL's serialisation failures, deadlocks,
/// lack of room or connections, and shutdowns.
fn passes(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if let Ok(number) = code.parse::<u32>()
        && code.len() < 5
    {
        return matches!(number & 0xff, 5 | 6 | 10 | 13);
    }
    code == "40001" || code == "40P01" || code.starts_with("53") || code.starts_with("57") || code.starts_with("08")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let check = |code: &str, expected: bool| assert_eq!(passes(Some(code)), expected, "{code}");
        check("5", true);
        check("517", true);
        check("40001", true);
        check("57P01", true);
        check("1", false);
        check("42601", false);
        assert!(!passes(None));
    }
}
