//! Looking at many documents at once, as lists do: what is new of all of them comes in a few statements.

use std::collections::HashMap;

use firemode_domain::document::SessionDocument;
use uuid::Uuid;

use super::{Extent, WarmDocument, WarmDocuments};
use crate::changes::{self, ReadUpTo, SessionTail};
use crate::{Executor, StorageError};

/// Bytes of changes that one statement reads at most, unless a single session has more.
const TAILS_BYTES_MAX: i64 = 8 << 20;

/// A session that was not read yet and has more bytes of changes than this is read by itself: there may be a snapshot of it.
const LONG_BYTES: i64 = 128 << 10;

impl WarmDocuments {
    /// Looks at the present documents of sessions, in their order. Otherwise as [`Self::read`].
    ///
    /// # Errors
    /// The database does not answer, or looking at a document panicked.
    pub async fn read_many<T: Send + 'static>(
        &self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_ids: &[Uuid],
        inspect: fn(&SessionDocument) -> T,
    ) -> Result<Vec<T>, StorageError> {
        let mut tails = Vec::with_capacity(session_ids.len());
        for &session_id in session_ids {
            // One lease at a time: nobody waits for this reader, and two readers not for each other.
            let lease = self.lease(organisation_id, session_id).await?;
            let since = lease.slot.as_ref().and_then(|session| session.record.read_up_to.clone());
            tails.push(SessionTail { organisation_id, session_id, since });
        }
        let up_to = changes::read_up_to(on).await?;
        let sizes = changes::sizes(on, &tails).await?;
        let mut seen = Vec::with_capacity(tails.len());
        for group in groups(&tails, &sizes) {
            let is_long = group.iter().any(|tail| is_long(tail, &sizes));
            let mut unseen = match is_long {
                true => HashMap::new(),
                false => changes::read_tails(on, group).await?,
            };
            for SessionTail { session_id, since, .. } in group {
                let rows = unseen.remove(session_id).unwrap_or_default();
                let mut lease = self.lease(organisation_id, *session_id).await?;
                let mut session = lease.take();
                let record = &mut session.record;
                let taken = match !is_long && record.follows(since.as_ref(), &up_to) {
                    true => record.take_in(rows, record.reached(since.as_ref(), &up_to)).await,
                    false => record.refresh(on, organisation_id, *session_id, Extent::Record).await,
                };
                let looked = match taken {
                    Ok(()) => record.inspect(inspect).await,
                    Err(error) => Err(error),
                };
                lease.put_back(session);
                seen.push(looked?);
            }
        }
        Ok(seen)
    }
}

fn is_long(tail: &SessionTail, sizes: &HashMap<Uuid, i64>) -> bool {
    tail.since.is_none() && sizes.get(&tail.session_id).is_some_and(|size| *size > LONG_BYTES)
}

/// Runs of sessions whose unseen changes fit into one statement; a long one stands alone.
fn groups<'a>(tails: &'a [SessionTail], sizes: &HashMap<Uuid, i64>) -> Vec<&'a [SessionTail]> {
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    let mut was_long = false;
    for (index, tail) in tails.iter().enumerate() {
        let size = sizes.get(&tail.session_id).copied().unwrap_or(0);
        let stands_alone = is_long(tail, sizes) || was_long;
        was_long = is_long(tail, sizes);
        if index > start && (stands_alone || bytes + size > TAILS_BYTES_MAX) {
            groups.push(&tails[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    groups.push(&tails[start..]);
    groups
}

impl WarmDocument {
    /// Is what was read from `since` up to `up_to` all that this document may lack? It may have been dropped since, and the database may
    /// be another one by now.
    fn follows(&self, since: Option<&ReadUpTo>, up_to: &ReadUpTo) -> bool {
        (since.is_none() || self.is_loaded()) && self.may_be_of(up_to.lineage)
    }

    /// How far this document is read once it has what was read from `since` on. Somebody else may have read further meanwhile.
    fn reached(&self, since: Option<&ReadUpTo>, up_to: &ReadUpTo) -> ReadUpTo {
        let further = self.read_up_to.as_ref().filter(|known| Some(*known) != since);
        further.unwrap_or(up_to).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lineage;
    use crate::pg_snapshot::PgSnapshot;

    #[test]
    fn groups_keep_the_order_and_the_bound() {
        let of_megabytes = |megabytes: &[i64], since: Option<&str>| {
            let since = since.map(|text| ReadUpTo {
                snapshot: PgSnapshot::parse(text).expect("it is PostgreSQL's text"),
                lineage: Lineage::default(),
            });
            let tail = |_| SessionTail {
                organisation_id: Uuid::nil(),
                session_id: Uuid::new_v4(),
                since: since.clone(),
            };
            let tails: Vec<SessionTail> = megabytes.iter().map(tail).collect();
            let sizes =
                tails.iter().zip(megabytes).map(|(tail, size)| (tail.session_id, size << 20)).collect();
            assert_eq!(groups(&tails, &sizes).concat(), tails);
            groups(&tails, &sizes).iter().map(|group| group.len()).collect::<Vec<_>>()
        };
        assert_eq!(of_megabytes(&[3, 4, 2, 9, 1], Some("3:3:")), [2, 1, 1, 1]);
        assert_eq!(of_megabytes(&[0, 0, 1, 0, 0, 0, 1, 1, 0], None), [2, 1, 3, 1, 1, 1]);
        assert_eq!(groups(&[], &HashMap::new()).concat(), []);
    }
}
