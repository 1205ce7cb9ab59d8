//! Final validation: the hot path as 500 technicians use it, started slowly for two minutes and fast for five.

use super::{Afterwards, Form, HOT_PATH, Scenario, technicians};
use crate::pace::Rhythm;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "final",
    about: "final validation: results, evidence and classification by 500 users",
    full: &[
        Form {
            name: "2-minutes",
            users: 500,
            users_started_per_second: 10,
            seconds: 120,
            rhythm: Rhythm::BUSY,
            requests_min: 20_000,
        },
        Form {
            name: "5-minutes",
            users: 500,
            users_started_per_second: 50,
            seconds: 300,
            rhythm: Rhythm::BUSY,
            requests_min: 90_000,
        },
    ],
    short: &[
        Form {
            name: "2-minutes",
            users: 100,
            users_started_per_second: 10,
            seconds: 24,
            rhythm: Rhythm::BUSY,
            requests_min: 800,
        },
        Form {
            name: "5-minutes",
            users: 100,
            users_started_per_second: 50,
            seconds: 28,
            rhythm: Rhythm::BUSY,
            requests_min: 1_600,
        },
    ],
    quick: HOT_PATH,
    devices_per_session: 5,
    afterwards: Afterwards::Nothing,
    users: technicians,
};
