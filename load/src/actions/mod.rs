//! What a device does: each action is one request, and a check that its answer is right.

mod classify;
pub(crate) mod contested;
mod evidence;
mod results;

use std::future::ready;
use std::sync::Arc;

use goose::goose::{GooseUser, Transaction, TransactionError, TransactionFunction, TransactionResult};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::time::sleep_until;

use crate::device::Device;
use crate::progress::Progress;
use crate::stage::Stage;

/// The status of an answer to somebody who asks too often.
const TOO_MANY_REQUESTS: u16 = 429;
/// The label under which such answers are counted, apart from those that were served.
pub(crate) const LIMITED: &str = "LIMITED";

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// Results as JSON operations.
    Operations,
    /// Results as Automerge changes.
    Changes,
    /// An Automerge change that contradicts those of other devices.
    ContestedChange,
    /// A JSON operation on a field that is the device's own.
    CountingOperation,
    /// A photograph.
    Evidence,
    /// A condition to be classified.
    Classify,
}

/// What came back.
pub(crate) enum Answer {
    /// What was expected.
    Right,
    /// 429: the device is to slow down.
    Limited,
    /// Something else, or nothing.
    Wrong(String),
}

impl Action {
    /// The name in reports; all are POST.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Operations => "results/operations",
            Self::Changes => "results/changes",
            Self::ContestedChange => "results/contested",
            Self::CountingOperation => "results/counting",
            Self::Evidence => "evidence",
            Self::Classify => "classify",
        }
    }

    /// The transaction that does it when it is due.
    pub(crate) fn transaction(self, progress: &Arc<Progress>) -> Transaction {
        let progress = progress.clone();
        let function: TransactionFunction =
            Arc::new(move |user| Box::pin(self.perform(user, progress.clone())));
        Transaction::new(function).set_name(self.name())
    }

    async fn perform(self, user: &mut GooseUser, progress: Arc<Progress>) -> TransactionResult {
        let Some(device) = user.get_session_data_mut::<Device>() else {
            return Err(failure("there are fewer devices than users".to_owned()));
        };
        let due = device.pace.next_due();
        let prepared = self.prepare(device);
        sleep_until(due).await;
        let (request, expected) = prepared.map_err(failure)?;
        let sent = send(request).await;
        let elapsed = due.elapsed();
        let status = sent.as_ref().ok().map(|(status, _)| *status);
        let answer = self.judge(device, &expected, sent);
        progress.count(&answer, elapsed);
        let (label, error) = match &answer {
            Answer::Right => ("POST", None),
            Answer::Limited => (LIMITED, None),
            Answer::Wrong(error) => ("POST", Some(error.as_str())),
        };
        user.record_custom_request_duration(label, self.name(), elapsed, error.is_none(), status, error).await
    }

    /// The request, and what its answer must say.
    fn prepare(self, device: &mut Device) -> Result<(RequestBuilder, Value), String> {
        match self {
            Self::Operations => Ok(results::operations(device)),
            Self::Changes => results::changes(device).map_err(|error| error.to_string()),
            Self::ContestedChange => contested::contradict(device).map_err(|error| error.to_string()),
            Self::CountingOperation => Ok(contested::count(device)),
            Self::Evidence => evidence::photograph(device).map_err(|error| error.to_string()),
            Self::Classify => Ok(classify::condition(device)),
        }
    }

    fn judge(self, device: &mut Device, expected: &Value, sent: Result<(u16, Value), String>) -> Answer {
        let checked = match sent {
            Ok((TOO_MANY_REQUESTS, _)) => return Answer::Limited,
            Ok((status, body)) => self.check(device, expected, status, &body),
            Err(error) => Err(error),
        };
        checked.map_or_else(Answer::Wrong, |()| Answer::Right)
    }

    fn check(self, device: &mut Device, expected: &Value, status: u16, body: &Value) -> Result<(), String> {
        let wanted = if matches!(self, Self::Evidence) { 201 } else { 200 };
        if status != wanted {
            return Err(format!(
                "{status} {}",
                body["error_code"].as_str().unwrap_or("without an error code")
            ));
        }
        if let Some((name, value)) = first_difference(expected, body) {
            return Err(format!("wrong answer: {name} is {value}"));
        }
        match self {
            Self::Operations | Self::CountingOperation => results::note_clock(device, body),
            Self::Changes | Self::ContestedChange => results::note_acknowledged(device, body)?,
            Self::Evidence | Self::Classify => {}
        }
        Ok(())
    }
}

/// Gives each user a device, before its first action.
pub(crate) fn take_device(stage: Arc<Stage>) -> Transaction {
    let function: TransactionFunction = Arc::new(move |user| {
        if let Some(device) = stage.take_device() {
            stage.progress.user();
            user.set_session_data(device);
        }
        Box::pin(ready(Ok(())))
    });
    Transaction::new(function).set_name("take a device").set_on_start()
}

/// Sends a request and reads its answer to the end. An error says what kind it is, so that equal ones are counted together.
async fn send(request: RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| transport(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| transport(&error))?;
    let body = serde_json::from_slice(&body).map_err(|_| format!("{status} without JSON"))?;
    Ok((status, body))
}

fn transport(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    kind.to_owned()
}

/// The first of the expected members that the answer has otherwise.
fn first_difference(expected: &Value, body: &Value) -> Option<(String, String)> {
    let expected = expected.as_object()?;
    let (name, _) = expected.iter().find(|(name, value)| body.get(name.as_str()) != Some(value))?;
    Some((name.clone(), body[name.as_str()].to_string()))
}

fn failure(message: String) -> Box<TransactionError> {
    Box::new(TransactionError::Custom(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_expected_members_count_and_a_missing_one_differs() {
        let body = json!({"status": "processed", "accepted": 2, "heads": []});
        assert_eq!(first_difference(&json!({"accepted": 2}), &body), None);
        let found = first_difference(&json!({"accepted": 3}), &body);
        assert_eq!(found, Some(("accepted".to_owned(), "2".to_owned())));
        let found = first_difference(&json!({"held": []}), &body);
        assert_eq!(found, Some(("held".to_owned(), "null".to_owned())));
    }
}
