//! Final validation: the hot path as 500 technicians use it, started slowly for two minutes and fast for five.

use std::sync::Arc;

use goose::GooseError;

use super::{Form, Limits, Scenario};
use crate::actions::{Action, take_device};
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "final-validation",
    about: "results, evidence and classification by 500 users",
    full: &[
        Form { name: "2-minutes", users: 500, users_started_per_second: 10, seconds: 120 },
        Form { name: "5-minutes", users: 500, users_started_per_second: 50, seconds: 300 },
    ],
    short: &[
        Form { name: "2-minutes", users: 100, users_started_per_second: 10, seconds: 24 },
        Form { name: "5-minutes", users: 100, users_started_per_second: 50, seconds: 28 },
    ],
    limits: Limits {
        p95_milliseconds_max: 300,
        measured: &[Action::Operations, Action::Changes, Action::Evidence, Action::Classify],
        ingest_bytes_max: 512 << 20,
    },
    users,
};

/// Of ten requests six bring results, two a photograph, and two ask for a class.
fn users(stage: Arc<Stage>) -> Result<goose::goose::Scenario, GooseError> {
    let progress = &stage.progress.clone();
    Ok(goose::goose::Scenario::new("final validation")
        .register_transaction(take_device(stage))
        .register_transaction(Action::Operations.transaction(progress).set_weight(4)?)
        .register_transaction(Action::Changes.transaction(progress).set_weight(2)?)
        .register_transaction(Action::Evidence.transaction(progress).set_weight(2)?)
        .register_transaction(Action::Classify.transaction(progress).set_weight(2)?))
}
