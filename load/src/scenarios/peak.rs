//! Peak: 50 technicians at work for an hour.

use super::{Afterwards, Form, HOT_PATH, Scenario, technicians};
use crate::pace::Rhythm;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "peak",
    about: "50 users for an hour, 120,000 requests",
    full: &[Form {
        name: "1-hour",
        users: 50,
        users_started_per_second: 5,
        seconds: 3_600,
        // 1.45 s on average, so that chance does not leave it short of what it wants.
        rhythm: Rhythm::Apart { milliseconds_min: 950, milliseconds_max: 1_950 },
        requests_min: 120_000,
    }],
    short: &[Form {
        name: "1-hour",
        users: 50,
        users_started_per_second: 25,
        seconds: 45,
        rhythm: Rhythm::Apart { milliseconds_min: 950, milliseconds_max: 1_950 },
        requests_min: 1_300,
    }],
    quick: HOT_PATH,
    devices_per_session: 5,
    afterwards: Afterwards::Nothing,
    users: technicians,
};
