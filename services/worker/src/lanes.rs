//! The kinds of jobs that there are.

use firemode_storage::{defects, rule_impacts};

use crate::engine::{Kind, Lane};
use crate::state::WorkerState;
use crate::work::{backup, clocks, defect_withdrawal, projection, reencryption, rule_impact, sweep};

/// The lanes of the process. A kind that takes long, or of which there may be many, has a lane that no other depends on.
pub(crate) const LANES: &[Lane<WorkerState>] = &[
    Lane {
        name: "upkeep",
        running_max: 1,
        kinds: &[Kind {
            name: "sweep",
            attempts_max: None,
            comes_again: true,
            is_possible: |_| true,
            run: |state, _| Box::pin(sweep::run(state)),
        }],
    },
    Lane {
        name: "keys",
        running_max: 1,
        kinds: &[Kind {
            name: "reencryption",
            attempts_max: None,
            comes_again: true,
            is_possible: reencryption::is_possible,
            run: |state, task| Box::pin(reencryption::run(state, task)),
        }],
    },
    Lane {
        name: "backup",
        running_max: 1,
        kinds: &[Kind {
            name: "backup",
            attempts_max: None,
            comes_again: true,
            is_possible: |_| true,
            run: |state, _| Box::pin(backup::run(state)),
        }],
    },
    Lane {
        name: "rules",
        running_max: 1,
        kinds: &[Kind {
            name: rule_impacts::JOB_KIND,
            attempts_max: Some(3),
            comes_again: false,
            is_possible: |_| true,
            run: |state, task| Box::pin(rule_impact::run(state, task)),
        }],
    },
    Lane {
        name: "defects",
        running_max: 1,
        kinds: &[Kind {
            name: defects::withdrawal::JOB_KIND,
            attempts_max: Some(3),
            comes_again: false,
            is_possible: |_| true,
            run: |state, task| Box::pin(defect_withdrawal::run(state, task)),
        }],
    },
    Lane {
        name: "clocks",
        running_max: 1,
        kinds: &[Kind {
            name: "clocks",
            attempts_max: None,
            comes_again: true,
            is_possible: |_| true,
            run: |state, _| Box::pin(clocks::run(state)),
        }],
    },
    Lane {
        name: "projection",
        running_max: 1,
        kinds: &[Kind {
            name: "projection",
            attempts_max: None,
            comes_again: true,
            is_possible: |_| true,
            run: |state, _| Box::pin(projection::run(state)),
        }],
    },
];
