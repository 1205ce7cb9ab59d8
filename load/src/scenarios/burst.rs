//! Burst: everybody asks for a class at the same moment, and again when all have long been answered.

use std::sync::Arc;

use goose::GooseError;

use super::{Afterwards, Form, Scenario};
use crate::actions::{Action, take_device};
use crate::pace::Rhythm;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "burst",
    about: "500 requests for a class at one moment, every ten seconds",
    full: &[Form {
        name: "2-minutes",
        users: 500,
        users_started_per_second: 250,
        seconds: 120,
        rhythm: Rhythm::Together { milliseconds: 10_000 },
        requests_min: 5_000,
    }],
    short: &[Form {
        name: "2-minutes",
        users: 500,
        users_started_per_second: 250,
        seconds: 32,
        rhythm: Rhythm::Together { milliseconds: 5_000 },
        requests_min: 2_000,
    }],
    quick: &[Action::Classify],
    devices_per_session: 5,
    afterwards: Afterwards::Nothing,
    users,
};

fn users(stage: Arc<Stage>) -> Result<goose::goose::Scenario, GooseError> {
    let progress = &stage.progress.clone();
    Ok(goose::goose::Scenario::new("burst")
        .register_transaction(take_device(stage))
        .register_transaction(Action::Classify.transaction(progress)))
}
