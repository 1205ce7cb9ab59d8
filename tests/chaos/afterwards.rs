//! What is stored, compared with what was acknowledged: Jepsen's set checker, for results, evidence and receipts.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use crate::appliance::{Appliance, Organisation};
use crate::http::{Answer, Client, Request};
use crate::load::{Acknowledged, Kept};
use serde_json::Value;

/// How often one asks where a key is in use.
const ASKED_MAX: u32 = 50;

const PAUSE: Duration = Duration::from_millis(20);

/// Reads what is there.
pub(crate) struct Reader<'a> {
    appliance: &'a Appliance,
    organisation: &'a Organisation,
    client: Client,
    told_to_wait: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(appliance: &'a Appliance, organisation: &'a Organisation) -> Self {
        let client = Client::new(appliance.address, Some(organisation.token.clone()));
        Self { appliance, organisation, client, told_to_wait: 0 }
    }

    fn get(&mut self, path: &str) -> Value {
        self.client.send(&Request::new("GET", path)).unwrap().body
    }

    /// The number of changes of each session.
    pub(crate) fn changes(&mut self) -> Vec<u64> {
        let organisation = self.organisation;
        let mut count = |id: &str| {
            let session = self.get(&format!("/v1/tests/sessions/{id}"));
            let clock: BTreeMap<String, u64> =
                serde_json::from_value(session["vector_clock"].clone()).unwrap();
            clock.values().sum()
        };
        organisation.sessions.iter().map(|session| count(&session.id)).collect()
    }

    /// What every appliance has to show equally of each session.
    fn sessions(&mut self) -> Vec<[Value; 5]> {
        let organisation = self.organisation;
        let mut read = |id: &str| {
            let session = self.get(&format!("/v1/tests/sessions/{id}"));
            ["heads", "vector_clock", "document", "conflicts", "held"].map(|name| session[name].clone())
        };
        organisation.sessions.iter().map(|session| read(&session.id)).collect()
    }

    /// The answer to a request that was acknowledged before. Another appliance may still hold its key, which it was asked for
    /// a moment ago; a client is told to come again.
    fn ask_again(&mut self, kept: &Kept) -> Answer {
        for _ in 1..ASKED_MAX {
            let answer = self.client.send(&kept.request).unwrap();
            if answer.body["error_code"] != "FIRE-409-IN-PROGRESS" {
                return answer;
            }
            self.told_to_wait += 1;
            sleep(PAUSE);
        }
        self.client.send(&kept.request).unwrap()
    }

    /// Is everything there that was acknowledged, once?
    pub(crate) fn nothing_is_lost(&mut self, acknowledged: &Acknowledged, before: &[u64]) -> bool {
        println!("\nafterwards");
        let results = self.results(acknowledged, before);
        let evidence = self.evidence(acknowledged);
        results & evidence & self.receipts(acknowledged)
    }

    fn results(&mut self, acknowledged: &Acknowledged, before: &[u64]) -> bool {
        let after = self.changes();
        let (mut lost, mut twice) = (0, 0);
        for (number, session) in self.organisation.sessions.iter().enumerate() {
            let read = self.get(&format!("/v1/tests/sessions/{}", session.id));
            let item = &read["document"]["items"][&session.item];
            let mine: Vec<_> = acknowledged.results.iter().filter(|kept| kept.session == number).collect();
            lost += mine.iter().filter(|kept| item.get(&kept.field).is_none()).count();
            // Each of its requests was acknowledged in the end, and each makes one change.
            twice += ((after[number] - before[number]) as usize).saturating_sub(mine.len());
        }
        report("results", acknowledged.results.len(), lost, twice)
    }

    /// The row has to be there, with the hash of what was sent, and the bytes have to have that hash.
    fn evidence(&mut self, acknowledged: &Acknowledged) -> bool {
        let mut lost = 0;
        for (_, stored) in &acknowledged.evidence {
            let row = self.get(&format!("/v1/evidence/{}", stored.id));
            let bytes = self.get(&format!("/v1/evidence/{}/verify", stored.id));
            if row["hash"] != stored.sha256.as_str() || bytes["verified"] != true {
                println!("    for example   {}: {row}, {bytes}", stored.id);
                lost += 1;
            }
        }
        let mut twice = 0;
        for (number, session) in self.organisation.sessions.iter().enumerate() {
            let mine = acknowledged.evidence.iter().filter(|(of, _)| *of == number).count();
            twice += self.evidence_count(&session.id).saturating_sub(mine);
        }
        report("evidence", acknowledged.evidence.len(), lost, twice)
    }

    fn evidence_count(&mut self, session_id: &str) -> usize {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let page = self.get(&format!("/v1/tests/sessions/{session_id}/evidence?limit=100{cursor}"));
            count += page["data"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    }

    /// Receipts count without the appliance: the public keys are enough.
    fn receipts(&mut self, acknowledged: &Acknowledged) -> bool {
        let place = |name: &str| self.appliance.folder().join(name).to_string_lossy().into_owned();
        let (keys, receipt) = (place("receipt-keys.json"), place("receipt"));
        std::fs::write(&keys, self.get("/v1/receipts/keys").to_string()).unwrap();
        let verifies = |text: &String| {
            std::fs::write(&receipt, text).unwrap();
            self.appliance.command(&["receipt", "verify", &receipt, "--keys", &keys]).0
        };
        let refused = acknowledged.receipts.iter().filter(|text| !verifies(text)).count();
        println!("  receipts   {} verified offline, {refused} of them refused", acknowledged.receipts.len());
        refused == 0 && !acknowledged.receipts.is_empty()
    }
}

/// Do all appliances show the same, and answer each key as it was answered at first?
pub(crate) fn all_agree(readers: &mut [Reader], acknowledged: &Acknowledged) -> bool {
    let views: Vec<_> = readers.iter_mut().map(Reader::sessions).collect();
    let unlike = |number: &usize| views.iter().any(|view| view[*number] != views[0][*number]);
    let apart = (0..views[0].len()).filter(unlike).count();
    println!("  sessions   {} on {} appliances, {apart} of them unlike", views[0].len(), views.len());
    let keys = acknowledged.results.len();
    let other = acknowledged.results.iter().filter(|kept| !are_answered_as_before(readers, kept)).count();
    let told_to_wait: usize = readers.iter().map(|reader| reader.told_to_wait).sum();
    println!(
        "  keys       {keys} sent again to each, {other} answered otherwise, {told_to_wait} times told to wait"
    );
    apart + other == 0
}

fn are_answered_as_before(readers: &mut [Reader], kept: &Kept) -> bool {
    let answers: Vec<_> = readers.iter_mut().map(|reader| reader.ask_again(kept)).collect();
    let is_first = |answer: &Answer| {
        answer.header("idempotent-replayed") == "true"
            && answer.body["receipt"] == kept.receipt
            && answer.body == answers[0].body
    };
    let other = answers.iter().find(|answer| !is_first(answer));
    if let Some(other) = other {
        println!("    for example   {}: {}", other.status, other.body);
    }
    other.is_none()
}

fn report(what: &str, acknowledged: usize, lost: usize, twice: usize) -> bool {
    println!("  {what:<10} {acknowledged} acknowledged, {lost} lost, {twice} there twice");
    acknowledged > 0 && lost == 0 && twice == 0
}
