//! Lists: newest first unless the oldest are wanted first, by a key that never changes, over the rows that were committed when the first
//! page was read.

use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::row::Row;
use crate::sql::{self, Param};
use crate::{Executor, StorageError, lineage};

/// The condition that a row was committed when the pass over its list began.
///
/// A row that is older than the incarnation came with a restore: its transaction id belongs to another cluster and says
/// nothing here.
pub(crate) fn is_in_sight(xid: &str, at: &str, snapshot: &str, began_at: &str) -> String {
    format!("(pg_visible_in_snapshot({xid}, {snapshot}::text::pg_snapshot) or {at} < {began_at})")
}

/// What a pass over a list may see, fixed when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleUpTo {
    /// Which incarnation of the database the pass belongs to, in its present history.
    pub incarnation: Uuid,
    /// When that began.
    pub began_at: OffsetDateTime,
    /// PostgreSQL's own text form of a snapshot: `xmin:xmax:xip_list`.
    pub snapshot: String,
}

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyset {
    /// What the pass may see.
    pub visible_up_to: VisibleUpTo,
    /// Key of the last row seen: creation time and id.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// Most rows wanted.
    pub limit: i64,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Key of the last row, where more follow.
    pub next: Option<(OffsetDateTime, Uuid)>,
}

/// A list of an organisation's rows while it is said which of them are wanted. Its statement has the conditions that are there and no
/// others, so that the first page and the next, and each set of filters, have plans of their own.
pub(crate) struct Listing<'a> {
    keyset: &'a Keyset,
    order: Order,
    /// The table, or what stands for it.
    from: String,
    conditions: Vec<String>,
    /// Queries for ids, of which few are found: only rows that all of them find are wanted, and these are looked for one by one. None:
    /// all rows.
    few: Vec<String>,
    /// Each of them leads to rows of its own, beside the conditions; none: all rows that these allow.
    branches: Vec<String>,
    params: Vec<Param<'a>>,
}

/// Which rows come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

impl Order {
    const fn as_sql(self) -> &'static str {
        match self {
            Self::NewestFirst => "order by created_at desc, id desc",
            Self::OldestFirst => "order by created_at, id",
        }
    }

    /// How the key of a row compares with that of a row before it.
    const fn follows(self) -> &'static str {
        match self {
            Self::NewestFirst => "<",
            Self::OldestFirst => ">",
        }
    }
}

impl<'a> Listing<'a> {
    /// The rows of a table with `organisation_id`, `id`, `created_at` and `created_xid` that the pass has not shown yet.
    pub(crate) fn of(table: &str, organisation_id: Uuid, keyset: &'a Keyset) -> Self {
        Self::of_anybody(table, organisation_id, keyset).holds("organisation_id = $1")
    }

    /// The same with the rows that the product ships, which are nobody's. They are looked for by themselves.
    pub(crate) fn of_own_and_shipped(table: &str, organisation_id: Uuid, keyset: &'a Keyset) -> Self {
        let mut listing = Self::of_anybody(table, organisation_id, keyset);
        listing.branches = ["organisation_id = $1", "organisation_id is null"].map(str::to_owned).to_vec();
        listing
    }

    /// Whose rows they are is still to be said. The first parameter of the statement is the organisation.
    fn of_anybody(table: &str, organisation_id: Uuid, keyset: &'a Keyset) -> Self {
        let (order, few, conditions, branches, params) = Default::default();
        let mut listing = Self { keyset, order, from: table.to_owned(), few, conditions, branches, params };
        listing.place(organisation_id);
        let snapshot = listing.place(&keyset.visible_up_to.snapshot);
        let began_at = listing.place(keyset.visible_up_to.began_at);
        listing.conditions.push(is_in_sight("created_xid", "created_at", &snapshot, &began_at));
        listing
    }

    /// The same rows with these first.
    pub(crate) fn in_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Those for which a condition holds; `{}` in it stands for the value.
    pub(crate) fn only(mut self, condition: &str, value: impl ToSql + Sync + Send + 'a) -> Self {
        let place = self.place(value);
        self.conditions.push(condition.replace("{}", &place));
        self
    }

    /// The same, where there is a value.
    pub(crate) fn only_if(self, condition: &str, value: Option<impl ToSql + Sync + Send + 'a>) -> Self {
        match value {
            Some(value) => self.only(condition, value),
            None => self,
        }
    }

    /// Those for which a condition holds whose values have their places.
    pub(crate) fn holds(mut self, condition: &str) -> Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// Those for which a condition without a value holds, where there is one. An index may be made for such rows alone.
    pub(crate) fn where_if(mut self, condition: Option<&str>) -> Self {
        self.conditions.extend(condition.map(str::to_owned));
        self
    }

    /// Those that are active or are not, where that is asked.
    pub(crate) fn active_if(self, is_active: Option<bool>) -> Self {
        self.where_if(is_active.map(|is_active| if is_active { "is_active" } else { "not is_active" }))
    }

    /// Those with any of these values in a column; all, where there are none. Each value is looked for by itself, in the list's order: no
    /// index has the rows of several in one order. At most one column of a list can be asked for so, and none of one with shipped rows.
    pub(crate) fn any_of(
        mut self,
        column: &str,
        values: impl IntoIterator<Item = impl ToSql + Sync + Send + 'a>,
    ) -> Self {
        for value in values {
            let place = self.place(value);
            self.branches.push(format!("{column} = {place}"));
        }
        self
    }

    /// Those with ids that a query finds. Of these there are few, so they are looked for one by one, where going through the rest of the
    /// list might never find any.
    pub(crate) fn among(mut self, ids: &str) -> Self {
        self.few.push(ids.to_owned());
        self
    }

    /// The same, where there is a value for the query's `{}`.
    pub(crate) fn among_if(mut self, ids: &str, value: Option<impl ToSql + Sync + Send + 'a>) -> Self {
        if let Some(value) = value {
            let ids = ids.replace("{}", &self.place(value));
            self.few.push(ids);
        }
        self
    }

    /// What rows are read from.
    fn source(&self) -> String {
        let (table, few) = (&self.from, self.few.join(" intersect "));
        if few.is_empty() {
            return table.clone();
        }
        format!(
            "(select r.* from unnest(array({few})) as few (id)
              cross join lateral (select * from {table} r where r.id = few.id offset 0) r) {table}"
        )
    }

    /// The page that was asked for.
    ///
    /// # Errors
    /// The database does not answer, or a row is damaged.
    pub(crate) async fn page<T: Row>(self, on: &impl Executor) -> Result<Page<T>, StorageError> {
        self.page_from(on, T::read, |page| format!("select {} from {page} page", T::columns())).await
    }

    /// The same, with what a statement makes of the table's rows. These stand in brackets where the table's name would; `id` and
    /// `created_at` are still among the columns.
    ///
    /// # Errors
    /// As for [`Self::page`].
    pub(crate) async fn page_from<T>(
        mut self,
        on: &impl Executor,
        read: impl Fn(&tokio_postgres::Row) -> Result<T, StorageError>,
        statement: impl FnOnce(&str) -> String,
    ) -> Result<Page<T>, StorageError> {
        if let Some((at, id)) = self.keyset.after {
            let (at, id, follows) = (self.place(at), self.place(id), self.order.follows());
            self.conditions.push(format!("(created_at, id) {follows} ({at}, {id})"));
        }
        let (limit, order) = (self.place(self.keyset.limit + 1), self.order.as_sql());
        let conditions = self.conditions.join(" and ");
        let first = |from: &str, conditions: &str| {
            format!("(select * from {from} where {conditions} {order} limit {limit})")
        };
        let source = self.source();
        let branch = |branch: &String| first(&source, &format!("{conditions} and {branch}"));
        let page = match self.branches.as_slice() {
            [] => first(&source, &conditions),
            [only] => branch(only),
            several => {
                let rows: Vec<String> = several.iter().map(branch).collect();
                first(&format!("({}) any_of", rows.join(" union all ")), "true")
            }
        };
        let sql = format!("{} {order}", statement(&page));
        let rows = on.rows(&sql, &sql::borrowed(&self.params)).await?;
        let key = |row: &tokio_postgres::Row| (row.get("created_at"), row.get("id"));
        let Page { rows, next } = Page::cut(rows, self.keyset, key);
        Ok(Page { rows: rows.iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// The place of a value among the statement's parameters.
    pub(crate) fn place(&mut self, value: impl ToSql + Sync + Send + 'a) -> String {
        self.params.push(Box::new(value));
        format!("${}", self.params.len())
    }
}

impl<T> Page<T> {
    /// Cuts a page out of rows that were asked for with one more than the limit.
    pub(crate) fn cut(mut rows: Vec<T>, keyset: &Keyset, key: impl Fn(&T) -> (OffsetDateTime, Uuid)) -> Self {
        let limit = usize::try_from(keyset.limit).unwrap_or_default();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(key);
        Self { rows, next }
    }

    /// The page with something else in the place of each row.
    #[must_use]
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(of).collect(), next: self.next }
    }
}

/// What a pass that begins now may see.
///
/// # Errors
/// The database does not answer.
pub async fn visible_up_to(on: &impl Executor) -> Result<VisibleUpTo, StorageError> {
    let row = sql::one(
        on,
        "select id, began_at, pg_current_snapshot()::text, coalesce(timeline = database_timeline(), true), database_timeline()
         from database_incarnation",
        &[],
    )
    .await?;
    let incarnation = lineage::incarnation(row.get(0), row.get(3), row.get(4));
    Ok(VisibleUpTo { incarnation, began_at: row.get(1), snapshot: row.get(2) })
}
