//! CRDT: 1,000 devices in 20 sessions, where all of a session edit the same item and none takes over what the others did.

use std::sync::Arc;

use goose::GooseError;

use super::{Afterwards, Form, Scenario};
use crate::actions::{Action, take_device};
use crate::pace::Rhythm;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "crdt",
    about: "1,000 users who contradict each other, and all of it read back",
    full: &[Form {
        name: "10-minutes",
        users: 1_000,
        users_started_per_second: 50,
        seconds: 600,
        rhythm: Rhythm::Apart { milliseconds_min: 8_000, milliseconds_max: 16_000 },
        requests_min: 40_000,
    }],
    short: &[Form {
        name: "10-minutes",
        users: 200,
        users_started_per_second: 50,
        seconds: 40,
        rhythm: Rhythm::Apart { milliseconds_min: 2_000, milliseconds_max: 4_000 },
        requests_min: 2_000,
    }],
    quick: &[],
    devices_per_session: 50,
    afterwards: Afterwards::ReadBack,
    users,
};

/// Half of the requests contradict all other devices, half write a field that is the device's own.
fn users(stage: Arc<Stage>) -> Result<goose::goose::Scenario, GooseError> {
    let progress = &stage.progress.clone();
    Ok(goose::goose::Scenario::new("crdt")
        .register_transaction(take_device(stage))
        .register_transaction(Action::ContestedChange.transaction(progress))
        .register_transaction(Action::CountingOperation.transaction(progress)))
}
