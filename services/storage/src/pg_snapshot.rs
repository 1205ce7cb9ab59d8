//! PostgreSQL's snapshots as tokens carry them.

use std::error::Error;
use std::fmt;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// A transaction's id, as a column of type `xid8` has it. Row-level security lets an index answer for a value alone, and not for one that
/// is read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Xid(pub(crate) u64);

impl ToSql for Xid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u64(self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::XID8
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Xid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}

/// A reader who looks roughly for what transactions have added that were open when it last looked takes those with ids so near to the
/// newest as one range, from the oldest of them on; each of the others is looked for by itself. A transaction that stays open for long,
/// in any database of the cluster, costs a reader one look then, and not a look at all that was added since, again and again.
const NEAR_IDS: u64 = 64;

/// Which transactions had ended at a moment: the text `xmin:xmax:xip_list` of `pg_snapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgSnapshot {
    /// The oldest transaction that was open.
    oldest_open: u64,
    /// The first that had not begun.
    next: u64,
    /// Those that were open, in order.
    open: Vec<u64>,
}

/// Transactions by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The first.
    pub(crate) from: u64,
    /// The first that is not meant any more; none: all that there are.
    pub(crate) until: Option<u64>,
}

impl PgSnapshot {
    /// Reads PostgreSQL's text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (oldest_open, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let open = numbers(parts.next()?)?;
        let is_sound = oldest_open <= next && open.is_sorted() && open.last().is_none_or(|last| *last < next);
        (is_sound && parts.next().is_none()).then_some(Self { oldest_open, next, open })
    }

    /// With one more that was open: a look from within a transaction sees what that has added, which may be rolled back.
    #[must_use]
    pub(crate) fn with_open(mut self, id: u64) -> Self {
        if id < self.next
            && let Err(place) = self.open.binary_search(&id)
        {
            self.open.insert(place, id);
            self.oldest_open = self.oldest_open.min(id);
        }
        self
    }

    /// With the end of one more: what a transaction has added is known to whoever has it from there. None where that began so long after
    /// the snapshot that too many others would have to be named.
    #[must_use]
    pub(crate) fn with_ended(mut self, id: u64) -> Option<Self> {
        const OPEN_MAX: u64 = 1 << 12;
        if id < self.next {
            self.open.retain(|open| *open != id);
            return Some(self);
        }
        if id - self.next > OPEN_MAX {
            return None;
        }
        self.open.extend(self.next..id);
        self.next = id + 1;
        Some(self)
    }

    /// All transactions that it has not seen end, and no others.
    pub(crate) fn unseen(&self) -> Vec<Ids> {
        let mut unseen: Vec<Ids> = Vec::new();
        for &id in &self.open {
            match unseen.last_mut().filter(|ids| ids.until == Some(id)) {
                Some(ids) => ids.until = Some(id + 1),
                None => unseen.push(Ids { from: id, until: Some(id + 1) }),
            }
        }
        match unseen.last_mut().filter(|ids| ids.until == Some(self.next)) {
            Some(ids) => ids.until = None,
            None => unseen.push(Ids { from: self.next, until: None }),
        }
        unseen
    }

    /// The same in fewer ranges, with some near the newest that it has seen: for a reader who goes on from here once, and then from a later
    /// moment. One who comes back to the same moment would read those again each time.
    pub(crate) fn unseen_roughly(&self) -> Vec<Ids> {
        let far = self.open.partition_point(|id| self.next - id > NEAR_IDS);
        let alone = |id: &u64| Ids { from: *id, until: Some(id + 1) };
        let from = self.open.get(far).copied().unwrap_or(self.next);
        self.open[..far].iter().map(alone).chain([Ids { from, until: None }]).collect()
    }

    /// Those that were open.
    pub(crate) fn open(&self) -> &[u64] {
        &self.open
    }

    /// The first transaction that had not begun.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// True when it names transactions that this later moment has not seen begin: it is from another history.
    pub fn is_ahead_of(&self, later: &Self) -> bool {
        self.next > later.next
    }

    /// The text with each number as its distance from the one before. A token stays small beside hundreds of writers.
    pub fn compact(&self) -> String {
        let mut last = self.oldest_open;
        let distances: Vec<String> =
            self.open.iter().map(|&id| (id - std::mem::replace(&mut last, id)).to_string()).collect();
        format!("{}:{}:{}", self.oldest_open, self.next - self.oldest_open, distances.join(","))
    }

    /// Reads [`Self::compact`].
    pub fn parse_compact(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let oldest_open: u64 = parts.next()?.parse().ok()?;
        let next = oldest_open.checked_add(parts.next()?.parse().ok()?)?;
        let mut last = oldest_open;
        let mut open = Vec::new();
        for distance in numbers(parts.next()?)? {
            last = last.checked_add(distance)?;
            open.push(last);
        }
        let is_sound = open.last().is_none_or(|last| *last < next) && parts.next().is_none();
        is_sound.then_some(Self { oldest_open, next, open })
    }
}

impl fmt::Display for PgSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<String> = self.open.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.oldest_open, self.next, open.join(","))
    }
}

fn numbers(list: &str) -> Option<Vec<u64>> {
    list.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_form_says_the_same() {
        for text in ["3:3:", "100:120:100,104,119", "9000000000:9000000001:9000000000"] {
            let snapshot = PgSnapshot::parse(text).expect("it is PostgreSQL's text");
            assert_eq!(snapshot.to_string(), text);
            assert_eq!(PgSnapshot::parse_compact(&snapshot.compact()), Some(snapshot));
        }
        let writers: Vec<String> = (0..400).map(|n| (7_000_000_000u64 + 3 * n).to_string()).collect();
        let busy = PgSnapshot::parse(&format!("7000000000:7000001200:{}", writers.join(",")));
        assert!(busy.expect("it is PostgreSQL's text").compact().len() < 900);
    }

    #[test]
    fn who_leaves_a_transaction_open_costs_a_look_of_its_own() {
        let unseen = |text: &str| {
            let snapshot = PgSnapshot::parse(text).expect("it is PostgreSQL's text");
            let ids = snapshot.unseen_roughly();
            ids.iter().map(|ids| (ids.from, ids.until)).collect::<Vec<_>>()
        };
        assert_eq!(unseen("100:100:"), [(100, None)]);
        assert_eq!(unseen("90:100:90,97"), [(90, None)]);
        assert_eq!(unseen("36:100:36"), [(36, None)]);
        assert_eq!(unseen("35:100:35"), [(35, Some(36)), (100, None)]);
        assert_eq!(unseen("3:900:3,7,890,891"), [(3, Some(4)), (7, Some(8)), (890, None)]);
    }

    #[test]
    fn exactly_those_are_unseen_that_had_not_ended() {
        let unseen = |text: &str| {
            let snapshot = PgSnapshot::parse(text).expect("it is PostgreSQL's text");
            let ids = snapshot.unseen();
            ids.iter().map(|ids| (ids.from, ids.until)).collect::<Vec<_>>()
        };
        assert_eq!(unseen("100:100:"), [(100, None)]);
        assert_eq!(unseen("90:100:90,97"), [(90, Some(91)), (97, Some(98)), (100, None)]);
        assert_eq!(unseen("90:100:90,91,92,98,99"), [(90, Some(93)), (98, None)]);
        assert_eq!(unseen("3:900:3"), [(3, Some(4)), (900, None)]);
    }

    #[test]
    fn a_reader_does_not_take_for_seen_what_its_own_transaction_adds() {
        let with = |text: &str, id| {
            PgSnapshot::parse(text).expect("it is PostgreSQL's text").with_open(id).to_string()
        };
        assert_eq!(with("100:100:", 99), "99:100:99");
        assert_eq!(with("90:100:90,97", 95), "90:100:90,95,97");
        assert_eq!(with("90:100:90,97", 100), "90:100:90,97", "it had not begun");
        assert_eq!(with("90:100:90,97", 90), "90:100:90,97");
    }

    #[test]
    fn a_transaction_that_is_known_counts_as_ended() {
        let with = |text: &str, id| {
            let snapshot = PgSnapshot::parse(text).expect("it is PostgreSQL's text");
            snapshot.with_ended(id).map(|snapshot| snapshot.to_string())
        };
        assert_eq!(with("90:100:90,97", 97).as_deref(), Some("90:100:90"));
        assert_eq!(with("90:100:90,97", 95).as_deref(), Some("90:100:90,97"));
        assert_eq!(with("100:100:", 100).as_deref(), Some("100:101:"));
        assert_eq!(with("90:100:90", 102).as_deref(), Some("90:103:90,100,101"));
        assert_eq!(with("100:100:", 1_000_000), None);
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "1", "1:2", "5:4:", "1:9:4,2", "1:9:9", "1:2:3:4", "a:b:c", "1:2:x"] {
            assert_eq!(PgSnapshot::parse(text), None, "{text}");
        }
        for text in ["1:18446744073709551615:", "1:1:18446744073709551615", "1:2", "1:2::"] {
            assert_eq!(PgSnapshot::parse_compact(text), None, "{text}");
        }
    }
}
