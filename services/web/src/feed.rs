//! Tokens of those who follow what changes: a place in the history of transactions, and in the round that is being read.

use std::collections::BTreeMap;

use firemode_storage::Executor;
use firemode_storage::feed::FeedPosition;
use firemode_storage::page::{self, VisibleUpTo};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cursor::{compact, known};
use crate::{CursorKey, CursorScope, Problem, catalogue};

/// What to read next: from a place up to a moment.
#[derive(Debug, Clone)]
pub struct FeedRange {
    /// Where the reader is.
    pub place: FeedPosition,
    /// Where the round ends.
    pub until: VisibleUpTo,
}

#[derive(Serialize, Deserialize)]
struct Content {
    last_evaluated_id: Option<Uuid>,
    /// What of each writer the reader has seen: the database's incarnation and a snapshot; empty where it has seen nothing.
    vector_clock: BTreeMap<Uuid, String>,
    /// The incarnation, and the snapshot at which the round ends that is being read.
    until: Option<(Uuid, String)>,
    scope: String,
}

impl CursorKey {
    /// What a token asks for; without one, everything there is.
    ///
    /// # Errors
    /// 400 for a token that is not of this feed, 410 for one from before a restore or a failover.
    pub async fn feed_range(
        &self,
        on: &impl Executor,
        token: Option<&str>,
        scope: CursorScope<'_>,
    ) -> Result<FeedRange, Problem> {
        let present = page::visible_up_to(on).await?;
        let Some(token) = token else {
            return Ok(FeedRange { place: FeedPosition { seen: None, after: None }, until: present });
        };
        let content: Option<Content> = self.unseal(token);
        let content =
            content.filter(|content| content.scope == self.scope_text(scope)).ok_or_else(foreign)?;
        let seen = match content.vector_clock.first_key_value() {
            Some((incarnation, snapshot)) => Some(known(&present, *incarnation, snapshot, foreign)?),
            None => None,
        };
        let until = match &content.until {
            Some((incarnation, snapshot)) => {
                VisibleUpTo { snapshot: known(&present, *incarnation, snapshot, foreign)?, ..present }
            }
            None => present,
        };
        Ok(FeedRange { place: FeedPosition { seen, after: content.last_evaluated_id }, until })
    }

    /// The token that goes on: within the round behind the last row of a page, where the round has more, else with what changes after it.
    ///
    /// # Errors
    /// None that can happen: PostgreSQL's snapshots can be read, and such a small value can be serialised.
    pub fn feed_token(
        &self,
        feed_range: &FeedRange,
        last_of_page: Option<Uuid>,
        scope: CursorScope<'_>,
    ) -> Result<String, Problem> {
        let (incarnation, until) = (feed_range.until.incarnation, compact(&feed_range.until.snapshot)?);
        let scope = self.scope_text(scope);
        let content = match last_of_page {
            Some(last) => {
                let seen = feed_range.place.seen.as_deref().map(compact).transpose()?;
                Content {
                    last_evaluated_id: Some(last),
                    vector_clock: seen.map(|seen| (incarnation, seen)).into_iter().collect(),
                    until: Some((incarnation, until)),
                    scope,
                }
            }
            None => Content {
                last_evaluated_id: None,
                vector_clock: BTreeMap::from([(incarnation, until)]),
                until: None,
                scope,
            },
        };
        self.seal(&content)
    }
}

fn foreign() -> Problem {
    Problem::of(catalogue::CURSOR, "The token is not one of this feed. Start again without one.")
}
