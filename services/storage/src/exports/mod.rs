//! Feeds for analysis: all rows of a kind, or those that are new between two snapshots, from page to page.
//!
//! No transaction is open between two pages: an old one would keep what others have replaced from being removed, and a connection would wait
//! for a client that reads slowly. The two snapshots say what belongs to a pass, whenever a page of it is read.

mod changes;
mod items;
mod records;
mod registers;
mod worked_out;

use std::collections::VecDeque;

use uuid::Uuid;

pub use self::changes::FedChange;
pub use self::items::FedItem;
pub use self::records::FedSession;
pub use self::worked_out::{FedDefect, FedObservation};
use crate::feed::FeedPosition;
use crate::page::{VisibleUpTo, is_in_sight};
use crate::pg_snapshot::{Ids, PgSnapshot, Xid};
use crate::sql::{self, Param};
use crate::{Executor, StorageError};

/// Rows of a page.
const PAGE_ROWS: i64 = 2_000;

/// Something that a feed has rows of.
pub trait Fed: Sized {
    /// Where they are read in a pass over everything, or over what is new; one after the other.
    #[doc(hidden)]
    fn sources(is_whole: bool) -> Vec<Source>;

    /// Reads a row of these.
    #[doc(hidden)]
    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError>;
}

/// Rows in an order that stays, for a key that is theirs alone.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Columns that are read.
    columns: String,
    /// A table, or what stands for it: it has `organisation_id`.
    from: String,
    /// The transaction that wrote a row: rows are in the order of these, and only those that a snapshot shows are meant. None: they are in
    /// the order of their ids, and all are.
    xid: Option<&'static str>,
    /// When that was, for a pass over everything: older rows than the database's incarnation came with a restore.
    at: &'static str,
    /// What tells rows of one transaction apart.
    id: &'static str,
    /// And besides.
    rest: Option<Rest>,
    /// What holds for them too in a pass over what is new; `{seen}` and `{until}` stand for the two snapshots.
    condition: Option<&'static str>,
    /// Most bytes of this column on a page, but for one row.
    bounded: Option<(&'static str, i64)>,
}

/// What tells rows of one session apart.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// A hash, in this column.
    Hash(&'static str),
    /// The id of an item.
    Item(&'static str),
}

/// Where a page ended.
#[derive(Debug, Clone)]
struct Key {
    xid: Option<Xid>,
    id: Uuid,
    rest: Option<KeyRest>,
}

#[derive(Debug, Clone)]
enum KeyRest {
    Hash(Vec<u8>),
    Item(String),
}

impl Rest {
    const fn column(self) -> &'static str {
        match self {
            Self::Hash(column) | Self::Item(column) => column,
        }
    }

    fn of(self, row: &tokio_postgres::Row) -> KeyRest {
        match self {
            Self::Hash(column) => KeyRest::Hash(row.get(column)),
            Self::Item(column) => KeyRest::Item(row.get(column)),
        }
    }
}

/// A part of a pass: one source, and transactions between two.
#[derive(Debug, Clone)]
struct Leg {
    source: Source,
    ids: Option<Ids>,
}

/// A pass over a feed.
#[derive(Debug)]
pub struct Walk {
    organisation_id: Uuid,
    seen: Option<String>,
    until: VisibleUpTo,
    legs: VecDeque<Leg>,
    after: Option<Key>,
}

impl Walk {
    /// From what a reader has seen up to a moment.
    ///
    /// # Errors
    /// None that can happen: snapshots can be read.
    pub fn new<T: Fed>(
        organisation_id: Uuid,
        place: FeedPosition,
        until: VisibleUpTo,
    ) -> Result<Self, StorageError> {
        let read = |text: &str| {
            PgSnapshot::parse(text).ok_or_else(|| StorageError::Damaged(format!("{text} is no snapshot")))
        };
        let ids = match &place.seen {
            None => vec![None],
            Some(seen) => {
                // Nothing that came after the pass began is looked at.
                let end = read(&until.snapshot)?.next();
                let bounded = |ids: Ids| Some(Ids { until: Some(ids.until.unwrap_or(end)), ..ids });
                read(seen)?.unseen_roughly().into_iter().map(bounded).collect()
            }
        };
        let sources = T::sources(place.seen.is_none());
        let legs = sources.iter().flat_map(|source| {
            let leg = |ids: &Option<Ids>| Leg { source: source.clone(), ids: *ids };
            ids.iter().map(leg).collect::<Vec<_>>()
        });
        Ok(Self { organisation_id, seen: place.seen, until, legs: legs.collect(), after: None })
    }

    /// Is everything told, and not only what is new?
    pub fn is_whole(&self) -> bool {
        self.seen.is_none()
    }

    /// The next page; none where the pass has ended.
    ///
    /// # Errors
    /// The database does not answer, or a row is damaged.
    pub async fn next<T: Fed>(&mut self, on: &impl Executor) -> Result<Option<Vec<T>>, StorageError> {
        while let Some(leg) = self.legs.front() {
            let rows = self.page(on, leg).await?;
            match rows.last() {
                Some(last) => self.after = Some(leg.source.key(last)),
                None => {
                    self.after = None;
                    self.legs.pop_front();
                    continue;
                }
            }
            return rows.iter().map(T::read).collect::<Result<_, _>>().map(Some);
        }
        Ok(None)
    }

    async fn page(&self, on: &impl Executor, leg: &Leg) -> Result<Vec<tokio_postgres::Row>, StorageError> {
        let source = &leg.source;
        let mut params: Vec<Param<'_>> = vec![Box::new(self.organisation_id)];
        let mut conditions = vec!["organisation_id = $1".to_owned()];
        let mut place = |value: Param<'static>| {
            params.push(value);
            format!("${}", params.len())
        };
        if let Some(xid) = source.xid {
            let until = format!("{}::text::pg_snapshot", place(Box::new(self.until.snapshot.clone())));
            match self.seen.clone().zip(leg.ids) {
                Some((seen, ids)) => {
                    let seen = format!("{}::text::pg_snapshot", place(Box::new(seen)));
                    conditions.push(format!("not pg_visible_in_snapshot({xid}, {seen})"));
                    conditions.push(format!("pg_visible_in_snapshot({xid}, {until})"));
                    conditions.push(format!("{xid} >= {}", place(Box::new(Xid(ids.from)))));
                    let end = ids.until.map(|end| format!("{xid} < {}", place(Box::new(Xid(end)))));
                    conditions.extend(end);
                    let filled =
                        |condition: &str| condition.replace("{seen}", &seen).replace("{until}", &until);
                    conditions.extend(source.condition.map(filled));
                }
                None => {
                    let began_at = place(Box::new(self.until.began_at));
                    conditions.push(is_in_sight(xid, source.at, &until, &began_at));
                }
            }
        }
        let order = source.order();
        if let Some(Key { xid, id, rest }) = &self.after {
            let xid = xid.map(|xid| Box::new(xid) as Param<'static>);
            let rest = rest.clone().map(|rest| match rest {
                KeyRest::Hash(hash) => Box::new(hash) as Param<'static>,
                KeyRest::Item(item_id) => Box::new(item_id),
            });
            let values = [xid, Some(Box::new(*id)), rest].into_iter().flatten();
            let values: Vec<String> = values.map(&mut place).collect();
            conditions.push(format!("({}) > ({})", order.join(", "), values.join(", ")));
        }
        let limit = place(Box::new(PAGE_ROWS));
        let (columns, from, order) = (&source.columns, &source.from, order.join(", "));
        let conditions = conditions.join(" and ");
        let page = match source.bounded {
            None => format!("select {columns} from {from} where {conditions} order by {order} limit {limit}"),
            Some((column, bytes_max)) => format!(
                "select {columns} from (
                     select *, sum(octet_length({column})) over (order by {order} rows unbounded preceding)
                               - octet_length({column}) as bytes_before
                     from (select * from {from} where {conditions} order by {order} limit {limit}) page
                 ) page where bytes_before < {} order by {order}",
                place(Box::new(bytes_max))
            ),
        };
        on.rows(&page, &sql::borrowed(&params)).await
    }
}

impl Source {
    /// The columns that rows are in the order of.
    fn order(&self) -> Vec<&'static str> {
        self.xid.into_iter().chain([self.id]).chain(self.rest.map(Rest::column)).collect()
    }

    /// Where a row stands in it.
    fn key(&self, row: &tokio_postgres::Row) -> Key {
        Key {
            xid: self.xid.map(|xid| row.get(xid)),
            id: row.get(self.id),
            rest: self.rest.map(|rest| rest.of(row)),
        }
    }
}
