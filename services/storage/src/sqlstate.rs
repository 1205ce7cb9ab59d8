//! What PostgreSQL's codes mean for whoever waits for an answer. Whatever has to tell one failure from another asks here.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A rule of the schema refused a row.
    Constraint,
    /// Two transactions could not both be.
    Conflict,
    /// A prepared statement is gone, or is there already under its name: both happen behind a pooler.
    Stale,
    /// It takes nothing new: it is a standby, or a primary that was demoted.
    ReadOnly,
    /// It takes nothing new: its disk is full, or its host's limit is reached.
    Full,
    /// Somebody else was in the way for too long.
    Busy,
    /// It is not there: it starts or stops, the connection is lost, or it has no room for one more.
    Away,
    /// The schema is another one than this binary was made for, or its role may not do that.
    Schema,
    /// A defect of ours.
    Defect,
}

/// Codes, or how they begin. The first line that fits is meant.
const MEANINGS: &[(&str, Meaning)] = &[
    // Integrity constraint violation.
    ("23", Meaning::Constraint),
    // Transaction rollback: serialization failure, deadlock.
    ("40", Meaning::Conflict),
    // Read-only SQL transaction.
    ("25006", Meaning::ReadOnly),
    // Object not in prerequisite state: what cannot be done during recovery.
    ("55000", Meaning::ReadOnly),
    // Idle in transaction for too long, transaction too long.
    ("25P03", Meaning::Away),
    ("25P04", Meaning::Away),
    // Invalid statement name, duplicate prepared statement.
    ("26000", Meaning::Stale),
    ("42P05", Meaning::Stale),
    // Disk full, configuration limit exceeded.
    ("53100", Meaning::Full),
    ("53400", Meaning::Full),
    // Lock not available, query cancelled.
    ("55P03", Meaning::Busy),
    ("57014", Meaning::Busy),
    // Connection exception, insufficient resources, operator intervention, system error.
    ("08", Meaning::Away),
    ("53", Meaning::Away),
    ("57", Meaning::Away),
    ("58", Meaning::Away),
    // Syntax error or access rule violation. Our statements are fixed texts, so that no client brings this about.
    ("42", Meaning::Schema),
];

impl Meaning {
    /// What a failure means that the database has reported, or that the way to it has.
    pub(crate) fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(reported) if is_replanned(reported) => Self::Stale,
            Some(reported) => Self::of_code(reported.code().code()),
            None if error.is_closed() || is_io(error) => Self::Away,
            None => Self::Defect,
        }
    }

    fn of_code(code: &str) -> Self {
        let line = MEANINGS.iter().find(|(beginning, _)| code.starts_with(beginning));
        line.map_or(Self::Defect, |(_, meaning)| *meaning)
    }
}

/// Have the columns changed that a statement was prepared with? The code says only that something is not supported; where that was
/// found out does not depend on the language.
fn is_replanned(error: &DbError) -> bool {
    *error.code() == SqlState::FEATURE_NOT_SUPPORTED && error.routine() == Some("RevalidateCachedQuery")
}

/// tokio-postgres reports a lost connection as an I/O error among its sources.
fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// A failure for the log: severity, code and message as PostgreSQL gives them. Its details may quote rows, and are left out.
pub(crate) fn described(error: &Error) -> String {
    match error.as_db_error() {
        Some(reported) => {
            format!("{} {}: {}", reported.severity(), reported.code().code(), reported.message())
        }
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// The one of the database among the causes of a failure, if there is one.
pub(crate) fn cause_of<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.into_iter().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::Meaning;

    #[test]
    fn the_first_line_that_fits_is_meant() {
        let cases = [
            ("23505", Meaning::Constraint),
            ("25006", Meaning::ReadOnly),
            ("53100", Meaning::Full),
            ("53300", Meaning::Away),
            ("57014", Meaning::Busy),
            ("57P01", Meaning::Away),
            ("57P03", Meaning::Away),
            ("42P05", Meaning::Stale),
            ("42703", Meaning::Schema),
            ("22P02", Meaning::Defect),
        ];
        for (code, meaning) in cases {
            assert_eq!(Meaning::of_code(code), meaning, "{code}");
        }
    }
}
