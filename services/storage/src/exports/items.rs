//! What each item of a session stands at.

use firemode_domain::document::Outcome;
use serde::Serialize;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{Fed, Rest, Source};
use crate::defects::KNOWN_NOW;
use crate::row::{Row, row};
use crate::{StorageError, iso_date};

/// What an item of a session stands at, or that there is none any more.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FedItem {
    /// It is there.
    Known {
        /// What it stands at.
        #[serde(flatten)]
        item: Box<StandingItem>,
        /// False.
        is_removed: bool,
    },
    /// Its session has it no more.
    Removed {
        /// The session.
        session_id: Uuid,
        /// The item.
        item_id: String,
        /// True.
        is_removed: bool,
    },
}

row! {
    /// What an item stands at, as feeds have it.
    #[derive(Debug, Clone, Serialize)]
    pub struct StandingItem {
        /// The session.
        pub session_id: Uuid,
        /// The item.
        pub item_id: String,
        /// The building.
        pub building_id: Uuid,
        /// The asset.
        pub asset_id: Option<Uuid>,
        /// Code of the item.
        pub item_code: Option<String>,
        /// Section of AS 1851-2012.
        pub section: Option<i16>,
        /// Its outcome. What is in dispute fails.
        pub outcome: Outcome,
        /// When that was written; none: nobody has said anything.
        #[serde(with = "time::serde::rfc3339::option")]
        pub observed_at: Option<OffsetDateTime>,
        /// The day of that at the building.
        #[serde(with = "iso_date")]
        pub local_date: Date,
        /// From when on it is known so.
        #[serde(with = "time::serde::rfc3339")]
        pub known_from: OffsetDateTime,
    }
}

/// The columns that say which item it is.
const SESSION: &str = "of_session";
const ITEM: &str = "of_item";

impl Fed for FedItem {
    fn sources(is_whole: bool) -> Vec<Source> {
        let columns = StandingItem::columns();
        let from = match is_whole {
            true => format!(
                "(select {columns}, organisation_id, session_id as {SESSION}, item_id as {ITEM}
                  from item_states where {KNOWN_NOW}) items"
            ),
            false => format!(
                "(select c.organisation_id, c.id as {SESSION}, c.item_id as {ITEM}, c.changed_xid, now.*
                  from feed_changes c left join lateral (
                      select {columns} from item_states s
                      where s.organisation_id = c.organisation_id and s.session_id = c.id and s.item_id = c.item_id and {KNOWN_NOW}
                      offset 0
                  ) now on true
                  where c.kind = 'item') items"
            ),
        };
        vec![Source {
            columns: "*".to_owned(),
            from,
            xid: (!is_whole).then_some("changed_xid"),
            id: SESSION,
            rest: Some(Rest::Item(ITEM)),
            ..Source::default()
        }]
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        let known: Option<Uuid> = row.get("session_id");
        if known.is_none() {
            return Ok(Self::Removed {
                session_id: row.get(SESSION),
                item_id: row.get(ITEM),
                is_removed: true,
            });
        }
        Ok(Self::Known { item: Box::new(Row::read(row)?), is_removed: false })
    }
}
