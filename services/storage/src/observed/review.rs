//! What somebody has to look at in a session, and whose work of it is not in the record.

use std::collections::BTreeMap;

use firemode_domain::document::SessionDocument;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::StoredChange;
use crate::defects::instant;

/// The most devices that are kept, those first that wait longest.
const DEVICES_MAX: usize = 100;

/// What somebody has to look at in a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Review {
    /// An outcome is in dispute.
    pub(super) in_conflict: bool,
    pub(super) held: usize,
    pub(super) quarantined: usize,
    /// Late changes that wait for a decision.
    pub(super) late: usize,
    devices: Devices,
}

/// Whose device it is, and the name that it gave, if it gave one.
type Device = (Uuid, Option<String>);

type Devices = BTreeMap<Device, Waiting>;

/// What of a device's work is not in the record.
#[derive(Debug, Clone, Default)]
struct Waiting {
    held: usize,
    quarantined: usize,
    late: usize,
    since: Option<OffsetDateTime>,
    held_since: Option<OffsetDateTime>,
}

impl Waiting {
    fn since(&mut self, received_at: OffsetDateTime) -> &mut Self {
        self.since = Some(self.since.map_or(received_at, |since| since.min(received_at)));
        self
    }
}

impl Review {
    /// Of a session's record and the late changes that wait for a decision.
    pub(super) fn of(document: &SessionDocument, late: Vec<StoredChange>) -> Self {
        let (held, quarantined) = (document.held_since(), document.quarantined());
        let mut review = Self {
            in_conflict: document.view().conflicts.iter().any(|conflict| conflict.needs_review),
            held: held.len(),
            quarantined: quarantined.len(),
            late: late.len(),
            devices: Devices::new(),
        };
        for (_, brought) in held {
            let device = review.devices.entry((brought.user_id, brought.device)).or_default();
            device.since(brought.received_at).held += 1;
            let since = device.held_since.map_or(brought.received_at, |since| since.min(brought.received_at));
            device.held_since = Some(since);
        }
        for change in quarantined {
            let brought = change.provenance;
            let device = review.devices.entry((brought.user_id, brought.device)).or_default();
            device.since(brought.received_at).quarantined += 1;
        }
        for change in late {
            let device = review.devices.entry((change.user_id, change.device)).or_default();
            device.since(change.received_at).late += 1;
        }
        review
    }

    /// Whose work is not in the record, as it is stored.
    pub(super) fn devices(&self) -> Value {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_by_key(|(_, waiting)| waiting.since);
        devices.truncate(DEVICES_MAX);
        let shown = |((user_id, device), waiting): (&Device, &Waiting)| {
            json!({
                "user_id": user_id,
                "device": device,
                "held": waiting.held,
                "quarantined": waiting.quarantined,
                "late": waiting.late,
                "since": waiting.since.map(instant),
                "held_since": waiting.held_since.map(instant),
            })
        };
        devices.into_iter().map(shown).collect()
    }
}
