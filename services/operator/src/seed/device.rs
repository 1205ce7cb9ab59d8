//! A technician's device: an Automerge document that is edited without a network.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, AutomergeError, ObjType, ROOT, ReadDoc as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

use super::SeedError;
use super::http::{Api, HttpError, field};

/// What a technician finds on one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Finding {
    pub(super) outcome: &'static str,
    pub(super) observed_condition: Option<&'static str>,
    pub(super) notes: Option<&'static str>,
    pub(super) measurement: Option<(&'static str, f64)>,
    pub(super) evidence_id: Option<String>,
}

/// A document on a device.
pub(super) struct Device {
    document: AutoCommit,
}

impl Device {
    /// Downloads a session's offline bundle. From here on the device needs no network.
    pub(super) fn take(api: &Api, session_id: &str) -> Result<Self, SeedError> {
        let bundle = api.get(&format!("/v1/tests/sessions/{session_id}/offline_bundle"))?;
        let saved =
            STANDARD.decode(field(&bundle, "document")?).map_err(|_| HttpError::Answer("document"))?;
        let actor: ActorId =
            field(&bundle, "actor_id")?.try_into().map_err(|_| HttpError::Answer("actor_id"))?;
        Ok(Self { document: AutoCommit::load(&saved)?.with_actor(actor) })
    }

    /// Writes a finding down. Returns the change that Automerge makes of it, in base64.
    pub(super) fn record(&mut self, item_id: &str, finding: &Finding) -> Result<String, SeedError> {
        self.record_at(item_id, finding, OffsetDateTime::now_utc())
    }

    /// The same for a finding of another time.
    pub(super) fn record_at(
        &mut self,
        item_id: &str,
        finding: &Finding,
        at: OffsetDateTime,
    ) -> Result<String, SeedError> {
        let document = &mut self.document;
        let there = |found: Option<_>| found.map(|(_, id)| id).ok_or(AutomergeError::Fail);
        let items = there(document.get(ROOT, "items")?)?;
        let item = there(document.get(items, item_id)?)?;
        document.put(&item, "outcome", finding.outcome)?;
        for (name, text) in [("observed_condition", finding.observed_condition), ("notes", finding.notes)] {
            if let Some(text) = text {
                document.put(&item, name, text)?;
            }
        }
        if let Some((name, value)) = finding.measurement {
            let measurements = document.put_object(&item, "measurements", ObjType::Map)?;
            document.put(&measurements, name, value)?;
        }
        if let Some(id) = &finding.evidence_id {
            let evidence = document.put_object(&item, "evidence", ObjType::Map)?;
            document.put(&evidence, id.as_str(), true)?;
        }
        document.commit_with(CommitOptions::default().with_time(at.unix_timestamp()));
        let change = document.get_last_local_change().ok_or(AutomergeError::Fail)?;
        Ok(STANDARD.encode(change.raw_bytes()))
    }
}
