//! Walks over lists: newest first, by a key that never changes, over the rows that were committed when the walk began.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Executor, StorageError, sql};

/// The condition that every listing shares. `$1` is the organisation, `$2` the walk's snapshot, `$3` when this incarnation of
/// the database began, `$4` and `$5` the key of the last row seen.
///
/// A row that is older than the incarnation came with a restore: its transaction id belongs to another cluster and says
/// nothing here.
macro_rules! in_walk {
    () => {
        "(pg_visible_in_snapshot(created_xid, $2::text::pg_snapshot) or created_at < $3)
         and ($4::timestamptz is null or (created_at, id) < ($4, $5))"
    };
}
pub(crate) use in_walk;

/// What a walk may see, fixed when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizon {
    /// Which incarnation of the database the walk belongs to.
    pub incarnation: Uuid,
    /// When that began.
    pub began_at: OffsetDateTime,
    /// PostgreSQL's own text form of a snapshot: `xmin:xmax:xip_list`.
    pub snapshot: String,
}

/// A place in a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// What the walk may see.
    pub horizon: Horizon,
    /// Key of the last row seen: creation time and id.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// Most rows wanted.
    pub limit: i64,
}

impl Walk {
    pub(crate) fn key(&self) -> (Option<OffsetDateTime>, Option<Uuid>) {
        self.after.unzip()
    }
}

/// One page of a walk.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Key of the last row, where more follow.
    pub next: Option<(OffsetDateTime, Uuid)>,
}

impl<T> Page<T> {
    /// Cuts a page out of rows that were asked for with one more than the limit.
    pub(crate) fn cut(mut rows: Vec<T>, walk: &Walk, key: impl Fn(&T) -> (OffsetDateTime, Uuid)) -> Self {
        let limit = usize::try_from(walk.limit).unwrap_or_default();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(key);
        Self { rows, next }
    }
}

/// What a walk that begins now may see.
///
/// # Errors
/// The database does not answer.
pub async fn horizon(on: &impl Executor) -> Result<Horizon, StorageError> {
    let row = sql::one(on, "select id, began_at, pg_current_snapshot()::text from database_incarnation", &[])
        .await?;
    Ok(Horizon { incarnation: row.get(0), began_at: row.get(1), snapshot: row.get(2) })
}
