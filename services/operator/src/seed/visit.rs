//! Test sessions, from the first item to late work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use firemode_runtime::demo::TECHNICIAN_ID;

use super::device::{Device, Finding};
use super::http::{Api, HttpError, field};
use super::plan::{BuildingPlan, Course, Fault, Visit};
use super::{Added, SeedError};

/// The demo organisation's users.
pub(super) struct Crew {
    pub(super) admin: Api,
    pub(super) technician: Api,
}

/// A building with its assets, as the API shows them.
pub(super) struct Site {
    pub(super) building_id: String,
    pub(super) assets: Vec<Value>,
}

/// An asset to be tested, and what will be found.
struct Task<'a> {
    item_id: &'a str,
    item_code: &'a str,
    fault: Option<&'a Fault>,
}

/// A session that is being made.
struct Job<'a> {
    crew: &'a Crew,
    session_id: String,
    tasks: Vec<Task<'a>>,
}

/// Makes those sessions of a building that are missing.
pub(super) fn all(crew: &Crew, site: &Site, plan: &BuildingPlan, added: &mut Added) -> Result<(), SeedError> {
    let known = crew.admin.all(&format!("/v1/tests/sessions?building_id={}", site.building_id))?;
    for visit in plan.visits {
        let unfinished = format!("{} (unfinished)", visit.name);
        for row in known.iter().filter(|row| row["name"] == unfinished && row["status"] != "cancelled") {
            crew.admin.patch(&session_path(field(row, "id")?), &json!({"status": "cancelled"}))?;
        }
        if known.iter().any(|row| row["name"] == visit.name) {
            continue;
        }
        let body = json!({
            "building_id": site.building_id, "name": unfinished, "technician_id": TECHNICIAN_ID,
        });
        let session = crew.admin.post("/v1/tests/sessions", &body)?;
        let job = Job { crew, session_id: field(&session, "id")?.to_owned(), tasks: tasks(site, visit)? };
        job.take_course(visit.course, added)?;
        // The name comes last: a session that has it is whole.
        crew.admin.patch(&session_path(&job.session_id), &json!({"name": visit.name}))?;
        added.sessions += 1;
    }
    Ok(())
}

fn session_path(id: &str) -> String {
    format!("/v1/tests/sessions/{id}")
}

fn tasks<'a>(site: &'a Site, visit: &'a Visit) -> Result<Vec<Task<'a>>, HttpError> {
    let task = |asset: &'a Value| {
        Ok(Task {
            item_id: field(asset, "id")?,
            item_code: field(asset, "item_code")?,
            fault: visit.faults.iter().find(|fault| asset["label"] == fault.asset),
        })
    };
    site.assets.iter().map(task).collect()
}

impl Job<'_> {
    fn take_course(&self, course: Course, added: &mut Added) -> Result<(), SeedError> {
        let technician = &self.crew.technician;
        match course {
            Course::Planned => Ok(()),
            Course::Completed => {
                self.record_with(technician, &self.tasks, added)?;
                self.set_status("completed")
            }
            Course::CompletedWithLateWork => self.complete_with_late_work(added),
            Course::LateWorkAccepted => {
                self.complete_with_late_work(added)?;
                let path = format!("{}/late/accept", session_path(&self.session_id));
                self.crew.admin.post(&path, &json!({}))?;
                Ok(())
            }
            Course::CompletedAndFoundAWeekAgo => self.complete_and_find_a_week_ago(added),
            Course::RepairedOnTheSpot => self.repair_on_the_spot(added),
            Course::Contested => self.contest(added),
            Course::InProgress => self.send_operations(added),
            Course::Cancelled => {
                self.record_with(technician, &self.tasks[..1], added)?;
                self.set_status("cancelled")
            }
        }
    }

    fn set_status(&self, status: &str) -> Result<(), SeedError> {
        self.crew.admin.patch(&session_path(&self.session_id), &json!({"status": status}))?;
        Ok(())
    }

    /// One device tests these items and hands its changes over.
    fn record_with(&self, api: &Api, tasks: &[Task<'_>], added: &mut Added) -> Result<(), SeedError> {
        let mut device = Device::take(api, &self.session_id)?;
        let changes = self.record(&mut device, tasks, added)?;
        self.send(api, json!(changes), added)
    }

    fn record(
        &self,
        device: &mut Device,
        tasks: &[Task<'_>],
        added: &mut Added,
    ) -> Result<Vec<String>, SeedError> {
        let record = |task: &Task<'_>| device.record(task.item_id, &self.finding(task, added)?);
        tasks.iter().map(record).collect()
    }

    /// The last two items reach the server when the session is completed already.
    fn complete_with_late_work(&self, added: &mut Added) -> Result<(), SeedError> {
        let (in_time, late) = self.tasks.split_at(self.tasks.len().saturating_sub(2));
        let mut late_device = Device::take(&self.crew.technician, &self.session_id)?;
        self.record_with(&self.crew.technician, in_time, added)?;
        self.set_status("completed")?;
        let changes = self.record(&mut late_device, late, added)?;
        self.send(&self.crew.technician, json!(changes), added)
    }

    /// What fails was found by a device that had no network for a week.
    fn complete_and_find_a_week_ago(&self, added: &mut Added) -> Result<(), SeedError> {
        let technician = &self.crew.technician;
        let mut late_device = Device::take(technician, &self.session_id)?;
        let (faulty, sound): (Vec<_>, Vec<_>) = self.tasks.iter().partition(|task| task.fault.is_some());
        let mut device = Device::take(technician, &self.session_id)?;
        let changes: Result<Vec<_>, _> =
            sound.iter().map(|task| device.record(task.item_id, &passed(task))).collect();
        self.send(technician, json!(changes?), added)?;
        self.set_status("completed")?;
        let week_ago = OffsetDateTime::now_utc() - Duration::days(7);
        let mut changes = Vec::new();
        for task in faulty {
            let finding = self.finding(task, added)?;
            changes.push(late_device.record_at(task.item_id, &finding, week_ago)?);
        }
        self.send(technician, json!(changes), added)
    }

    fn repair_on_the_spot(&self, added: &mut Added) -> Result<(), SeedError> {
        let technician = &self.crew.technician;
        let mut device = Device::take(technician, &self.session_id)?;
        let mut changes = self.record(&mut device, &self.tasks, added)?;
        for task in self.tasks.iter().filter(|task| task.fault.is_some()) {
            changes.push(device.record(task.item_id, &passed(task))?);
        }
        self.send(technician, json!(changes), added)?;
        self.set_status("completed")
    }

    /// Two people test the same items without knowing of each other: what fails for one passes for the other. A third
    /// device hands over its second change while the first one is still under way.
    fn contest(&self, added: &mut Added) -> Result<(), SeedError> {
        let Crew { admin, technician } = self.crew;
        let mut other = Device::take(admin, &self.session_id)?;
        let mut waiting = Device::take(technician, &self.session_id)?;
        self.record_with(technician, &self.tasks, added)?;

        let contested = self.tasks.iter().filter(|task| task.fault.is_some());
        let retested = Finding { outcome: "pass", notes: Some("Tested again, works."), ..Finding::default() };
        let changes: Result<Vec<_>, _> =
            contested.map(|task| other.record(task.item_id, &retested)).collect();
        self.send(admin, json!(changes?), added)?;

        let [.., second_last, last] = self.tasks.as_slice() else { return Ok(()) };
        waiting.record(second_last.item_id, &passed(second_last))?;
        let change = waiting.record(last.item_id, &passed(last))?;
        self.send(technician, json!([change]), added)
    }

    /// What a client without Automerge sends for its faults and the first half of the other items.
    fn send_operations(&self, added: &mut Added) -> Result<(), SeedError> {
        let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).map_err(|_| HttpError::Answer("time"))?;
        let (faulty, sound): (Vec<_>, Vec<_>) = self.tasks.iter().partition(|task| task.fault.is_some());
        let half = sound.len() / 2;
        let mut operations = Vec::new();
        for task in faulty.into_iter().chain(sound.into_iter().take(half)) {
            let finding = self.finding(task, added)?;
            let values = [
                ("outcome", Some(json!(finding.outcome))),
                ("observed_condition", finding.observed_condition.map(|text| json!(text))),
                ("notes", finding.notes.map(|text| json!(text))),
                ("measurements", finding.measurement.map(|(name, value)| json!({name: value}))),
                ("evidence", finding.evidence_id.map(|id| json!({id: true}))),
            ];
            for (name, value) in values {
                let Some(value) = value else { continue };
                operations.push(json!({
                    "op": "set", "path": format!("/items/{}/{name}", task.item_id), "value": value,
                    "actor_id": "tablet-7", "timestamp": timestamp, "op_id": Uuid::now_v7(),
                }));
            }
        }
        self.send(&self.crew.technician, json!(operations), added)
    }

    fn send(&self, api: &Api, changes: Value, added: &mut Added) -> Result<(), SeedError> {
        let path = format!("{}/results", session_path(&self.session_id));
        added.results += changes.as_array().map_or(0, Vec::len);
        api.post(&path, &json!({"changes": changes}))?;
        Ok(())
    }

    /// What is found on an item. A fault is photographed and classified on the way.
    fn finding(&self, task: &Task<'_>, added: &mut Added) -> Result<Finding, SeedError> {
        let Some(fault) = task.fault else { return Ok(passed(task)) };
        let evidence_id = self.photograph(task, fault, added)?;
        let observed = json!({
            "item_code": task.item_code, "observed_condition": fault.observed_condition,
            "session_id": self.session_id, "asset_id": task.item_id,
            "context": fault.measured.map(|(value, unit)| json!({"measurement": {"value": value, "unit": unit}})),
        });
        self.crew.technician.post("/v1/classify", &observed)?;
        added.classifications += 1;
        Ok(Finding {
            outcome: "fail",
            observed_condition: Some(fault.observed_condition),
            notes: Some(fault.notes),
            measurement: None,
            evidence_id,
        })
    }

    fn photograph(
        &self,
        task: &Task<'_>,
        fault: &Fault,
        added: &mut Added,
    ) -> Result<Option<String>, SeedError> {
        let Some(photograph) = fault.photograph else { return Ok(None) };
        let evidence_id = Uuid::now_v7().to_string();
        let hash = HEXLOWER.encode(&Sha256::digest(photograph));
        let body = json!({
            "content": STANDARD.encode(photograph), "sha256_hash": hash, "session_id": self.session_id,
            "item_id": task.item_id, "evidence_id": evidence_id, "evidence_type": "photo",
            "metadata": {"device": "tablet-7"},
        });
        self.crew.technician.post("/v1/evidence", &body)?;
        added.photographs += 1;
        Ok(Some(evidence_id))
    }
}

fn passed(task: &Task<'_>) -> Finding {
    Finding { outcome: "pass", measurement: measurement(task.item_code), ..Finding::default() }
}

/// What is measured on a sound item.
fn measurement(item_code: &str) -> Option<(&'static str, f64)> {
    match item_code {
        "EXT-PRESSURE" => Some(("pressure_kilopascals", 1400.0)),
        "PMP-HYDRANT" => Some(("pressure_kilopascals", 860.0)),
        "TNK-LEVEL" => Some(("level_percent", 98.0)),
        "DET-BATTERY" => Some(("voltage_volts", 27.1)),
        "SMK-PRESSURISATION" => Some(("pressure_pascals", 42.0)),
        _ => None,
    }
}
