//! Rows that are read by the names of their columns, from one declaration.

use firemode_domain::audit::AuditStatus;
use firemode_domain::classification::BaselineValues;
use firemode_domain::defect::{
    DefectClass, DefectSource, DefectStatus, Deferral, InterimMeasures, RuleReference,
};
use firemode_domain::document::Outcome;
use firemode_domain::evidence::{EvidenceStatus, EvidenceType};
use firemode_domain::job::JobState;
use firemode_domain::measure::PerformanceSolution;
use firemode_domain::party::PartyRole;
use firemode_domain::place::{Jurisdiction, TimeZone};
use firemode_domain::role::Role;
use firemode_domain::session::{LateState, SessionStatus};
use serde_json::Value;
use time::{Date, OffsetDateTime};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use uuid::Uuid;

use crate::StorageError;

/// Declares a row: a struct, whose fields are the columns of the same names. What the database says itself when the row is made or
/// changed is marked `= database`, and never written.
///
/// ```ignore
/// row! {
///     /// A site.
///     #[derive(Debug, Clone)]
///     pub struct Thing {
///         /// Its id.
///         pub id: Uuid,
///         /// What people call it.
///         pub name: String,
///         /// When it was made.
///         pub created_at: OffsetDateTime = database,
///     }
/// }
/// ```
macro_rules! row {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $($(#[$doc:meta])* pub $field:ident: $type:ty $(= $says:ident)?),+ $(,)?
        }
    ) => {
        $(#[$about])*
        $vis struct $name {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl $crate::row::Row for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn read(row: &tokio_postgres::Row) -> Result<Self, $crate::StorageError> {
                Ok(Self { $($field: $crate::row::Column::read(row, stringify!($field))?,)+ })
            }

            fn written(&self) -> Vec<(&'static str, $crate::sql::Param<'_>)> {
                let columns = [$($crate::row::row!(@written self, $field $($says)?)),+];
                columns.into_iter().flatten().collect()
            }
        }
    };
    (@written $self:ident, $field:ident database) => { None };
    (@written $self:ident, $field:ident) => {
        Some((stringify!($field), Box::new($crate::row::Column::kept(&$self.$field)) as $crate::sql::Param<'_>))
    };
}
pub(crate) use row;

/// A row of a table or of a statement. Implemented by `row!`.
pub trait Row: Sized {
    /// The names of its columns.
    #[doc(hidden)]
    const COLUMNS: &'static [&'static str];

    /// Reads it from a statement that has its columns.
    #[doc(hidden)]
    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError>;

    /// Each column that is written, with its value.
    #[doc(hidden)]
    fn written(&self) -> Vec<(&'static str, crate::sql::Param<'_>)>;

    /// Its columns, as a statement names them.
    #[doc(hidden)]
    fn columns() -> String {
        Self::COLUMNS.join(", ")
    }

    /// Reads all rows of a statement.
    #[doc(hidden)]
    fn read_all(rows: &[tokio_postgres::Row]) -> Result<Vec<Self>, StorageError> {
        rows.iter().map(Self::read).collect()
    }
}

/// What may stand in a column.
pub(crate) trait Column: Sized {
    /// What PostgreSQL has for it.
    type Kept: FromSqlOwned + ToSql + Sync + Send + 'static;

    /// What it is for PostgreSQL.
    fn kept(&self) -> Self::Kept;

    /// What it is for us; none where PostgreSQL has what we do not know.
    fn of_kept(kept: Self::Kept) -> Option<Self>;

    /// Reads the column of a row.
    fn read(row: &tokio_postgres::Row, name: &str) -> Result<Self, StorageError> {
        let kept = row.try_get(name).map_err(|error| damaged(name, &error.to_string()))?;
        Self::of_kept(kept).ok_or_else(|| damaged(name, "it has a word that is not known"))
    }
}

fn damaged(name: &str, why: &str) -> StorageError {
    StorageError::Damaged(format!("column {name}: {why}"))
}

/// Columns that are what PostgreSQL has.
macro_rules! plain_columns {
    ($($type:ty),+) => {
        $(impl Column for $type {
            type Kept = Self;

            fn kept(&self) -> Self {
                self.clone()
            }

            fn of_kept(kept: Self) -> Option<Self> {
                Some(kept)
            }
        })+
    };
}

/// Columns that are one of a few words.
macro_rules! word_columns {
    ($($type:ty),+) => {
        $(impl Column for $type {
            type Kept = String;

            fn kept(&self) -> String {
                self.as_str().to_owned()
            }

            fn of_kept(kept: String) -> Option<Self> {
                kept.parse().ok()
            }
        })+
    };
}

/// Columns that are JSON of one form.
macro_rules! json_columns {
    ($($type:ty),+) => {
        $(impl Column for $type {
            type Kept = Value;

            fn kept(&self) -> Value {
                // What is kept so has a form in JSON.
                serde_json::to_value(self).unwrap_or_default()
            }

            fn of_kept(kept: Value) -> Option<Self> {
                serde_json::from_value(kept).ok()
            }
        })+
    };
}

plain_columns!(bool, f32, i16, i32, i64, Date, OffsetDateTime, String, Uuid, Value, Vec<u8>, Vec<Uuid>);
word_columns!(
    AuditStatus,
    DefectClass,
    DefectSource,
    DefectStatus,
    EvidenceStatus,
    EvidenceType,
    JobState,
    Jurisdiction,
    LateState,
    Outcome,
    PartyRole,
    Role,
    SessionStatus,
    TimeZone
);

json_columns!(BaselineValues, Deferral, InterimMeasures, PerformanceSolution, RuleReference);

impl<T: Column> Column for Option<T> {
    type Kept = Option<T::Kept>;

    fn kept(&self) -> Self::Kept {
        self.as_ref().map(T::kept)
    }

    fn of_kept(kept: Self::Kept) -> Option<Self> {
        kept.map_or(Some(None), |kept| T::of_kept(kept).map(Some))
    }
}
