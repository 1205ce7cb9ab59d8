//! Sustained: five technicians for four hours, after which the appliance is what it was.

use super::{Afterwards, Form, Scenario, technicians};
use crate::pace::Rhythm;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "sustained",
    about: "5 users for four hours, 4,800 requests, without growth",
    full: &[Form {
        name: "4-hours",
        users: 5,
        users_started_per_second: 1,
        seconds: 4 * 3_600,
        // 14.5 s on average, so that chance does not leave it short of what it wants.
        rhythm: Rhythm::Apart { milliseconds_min: 10_000, milliseconds_max: 19_000 },
        requests_min: 4_800,
    }],
    short: &[Form {
        name: "4-hours",
        users: 5,
        users_started_per_second: 1,
        seconds: 50,
        rhythm: Rhythm::BUSY,
        requests_min: 130,
    }],
    quick: &[],
    devices_per_session: 5,
    afterwards: Afterwards::Growth,
    users: technicians,
};
