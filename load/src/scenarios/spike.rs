//! Spike: 200 technicians who come at once and leave after five minutes.

use super::{Afterwards, Form, Scenario, technicians};
use crate::pace::Rhythm;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "spike",
    about: "200 users at once, 10,000 requests, and recovery when it ends",
    full: &[Form {
        name: "5-minutes",
        users: 200,
        users_started_per_second: 200,
        seconds: 300,
        rhythm: Rhythm::Apart { milliseconds_min: 4_000, milliseconds_max: 7_500 },
        requests_min: 10_000,
    }],
    short: &[Form {
        name: "5-minutes",
        users: 100,
        users_started_per_second: 100,
        seconds: 40,
        rhythm: Rhythm::Apart { milliseconds_min: 2_000, milliseconds_max: 3_750 },
        requests_min: 1_300,
    }],
    quick: &[],
    devices_per_session: 5,
    afterwards: Afterwards::Recovery,
    users: technicians,
};
