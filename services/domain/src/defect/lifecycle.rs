//! The life of a defect, from when it is found to when it is closed: which steps there are, who takes them, and what each asks for.

use time::Date;
use uuid::Uuid;

use super::DefectStatus::{
    self, Acknowledged, Closed, Deferred, Open, RepairScheduled, Repaired, Verified, Withdrawn,
};
use crate::role::Role;

/// Where a defect stands when somebody wants to take a step.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Its status.
    pub status: DefectStatus,
    /// Where it was before it was deferred, while it is.
    pub deferred_from: Option<DefectStatus>,
    /// Is it a critical defect?
    pub is_critical: bool,
    /// Was anything done until it is repaired?
    pub has_interim_measure: bool,
    /// Who repaired it.
    pub repaired_by: Option<Uuid>,
}

/// Who wants to take a step.
#[derive(Debug, Clone, Copy)]
pub struct Stepper {
    /// The user.
    pub user_id: Uuid,
    /// The user's role.
    pub role: Role,
    /// Does the organisation let people verify what they repaired themselves?
    pub may_verify_own_repair: bool,
    /// The day at the building.
    pub today: Date,
}

/// A step that is asked for, with what is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Where it leads.
    pub to: DefectStatus,
    /// Why, or what was done.
    pub reason: Option<&'a str>,
    /// When the repair is planned.
    pub scheduled_for: Option<Date>,
    /// Until when it is deferred.
    pub until: Option<Date>,
    /// Who accepts the risk of that.
    pub accepted_by: Option<&'a str>,
}

/// Why a step is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// No such step leads from where the defect is.
    #[error("a defect that is {from} cannot become {to}; it can become {}", words(.allowed))]
    NoSuchStep {
        /// The present status.
        from: DefectStatus,
        /// The one that is asked for.
        to: DefectStatus,
        /// Those that it can have next.
        allowed: Vec<DefectStatus>,
    },
    /// The step exists, but not for this role.
    #[error("only a manager or an admin can make a defect {0}")]
    NotAllowed(DefectStatus),
    /// The step asks for something that was not sent.
    #[error("is required: {why}")]
    Lacks {
        /// What it asks for.
        field: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// What was sent belongs to another step.
    #[error("is no part of this step; leave it out")]
    NotOfStep {
        /// What was sent.
        field: &'static str,
    },
    /// The day is over.
    #[error("must be today or later")]
    Past {
        /// The field that names it.
        field: &'static str,
    },
    /// A critical defect waits for nobody without protection.
    #[error("a critical defect is deferred only where an interim measure is recorded: record one first")]
    NoInterimMeasure,
    /// Somebody else has to look.
    #[error("a repair is verified by somebody else than the one who made it")]
    OwnRepair,
}

fn words(allowed: &[DefectStatus]) -> String {
    let words: Vec<&str> = allowed.iter().map(|status| status.as_str()).collect();
    if words.is_empty() { "nothing else".to_owned() } else { words.join(", ") }
}

impl StepFault {
    /// The field that is at fault; `to` names the step itself.
    pub fn field<'a>(&self, to: &'a str) -> &'a str {
        match self {
            Self::Lacks { field, .. } | Self::NotOfStep { field } | Self::Past { field } => field,
            Self::NoSuchStep { .. } | Self::NotAllowed(_) | Self::NoInterimMeasure | Self::OwnRepair => to,
        }
    }
}

impl Standing {
    /// The statuses that the defect can have next. From `closed` to `open` is a defect of its own, which names the closed one. What was
    /// repaired is `acknowledged` again where the repair did not hold.
    pub fn next(&self) -> Vec<DefectStatus> {
        match self.status {
            Open => vec![Acknowledged, Repaired, Deferred, Withdrawn],
            Acknowledged => vec![RepairScheduled, Repaired, Deferred, Withdrawn],
            RepairScheduled => vec![Repaired, Deferred, Withdrawn],
            Deferred => self.deferred_from.into_iter().chain([Repaired, Withdrawn]).collect(),
            Repaired => vec![Verified, Acknowledged, Withdrawn],
            Verified => vec![Closed, Acknowledged, Withdrawn],
            Closed => vec![Open],
            Withdrawn => Vec::new(),
        }
    }

    /// May somebody take a step?
    ///
    /// # Errors
    /// See [`StepFault`]; of several the first.
    pub fn check(&self, step: &Step<'_>, by: &Stepper) -> Result<(), StepFault> {
        let allowed = self.next();
        if !allowed.contains(&step.to) {
            return Err(StepFault::NoSuchStep { from: self.status, to: step.to, allowed });
        }
        if step.to != Repaired && !matches!(by.role, Role::Admin | Role::Manager) {
            return Err(StepFault::NotAllowed(step.to));
        }
        self.check_words(step, by.today)?;
        match step.to {
            Deferred if self.is_critical && !self.has_interim_measure => Err(StepFault::NoInterimMeasure),
            Verified if self.repaired_by == Some(by.user_id) && !by.may_verify_own_repair => {
                Err(StepFault::OwnRepair)
            }
            _ => Ok(()),
        }
    }

    /// Is all said that the step asks for, and nothing that belongs to another?
    fn check_words(&self, step: &Step<'_>, today: Date) -> Result<(), StepFault> {
        let lacks = |field, why| Err(StepFault::Lacks { field, why });
        let is_of_step = [
            ("scheduled_for", step.scheduled_for.is_some(), RepairScheduled),
            ("until", step.until.is_some(), Deferred),
            ("accepted_by", step.accepted_by.is_some(), Deferred),
        ];
        for (field, is_sent, of) in is_of_step {
            if is_sent && step.to != of {
                return Err(StepFault::NotOfStep { field });
            }
        }
        match step.to {
            Deferred if step.until.is_none() => lacks("until", "the day until which the defect is deferred"),
            Deferred if step.until < Some(today) => Err(StepFault::Past { field: "until" }),
            Deferred if step.accepted_by.is_none() => lacks("accepted_by", "who accepts the risk"),
            Deferred if step.reason.is_none() => lacks("reason", "why the defect is deferred"),
            Withdrawn if step.reason.is_none() => lacks("reason", "why the defect is withdrawn"),
            Open if self.status == Closed && step.reason.is_none() => {
                lacks("reason", "why the defect is taken up again")
            }
            Acknowledged if matches!(self.status, Repaired | Verified) && step.reason.is_none() => {
                lacks("reason", "how it is known that the repair did not hold")
            }
            Repaired if self.status != RepairScheduled && step.reason.is_none() => {
                lacks("reason", "what was done, as the repair was not scheduled")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 30);

    fn standing(status: DefectStatus) -> Standing {
        let deferred_from = (status == Deferred).then_some(Acknowledged);
        Standing { status, deferred_from, is_critical: false, has_interim_measure: false, repaired_by: None }
    }

    /// A step with all that it asks for.
    fn step(to: DefectStatus) -> Step<'static> {
        let is_deferral = to == Deferred;
        Step {
            to,
            reason: Some("The part is on order."),
            scheduled_for: (to == RepairScheduled).then_some(TODAY),
            until: is_deferral.then_some(TODAY),
            accepted_by: is_deferral.then_some("The owner's committee"),
        }
    }

    fn by(role: Role) -> Stepper {
        Stepper { user_id: Uuid::from_u128(1), role, may_verify_own_repair: false, today: TODAY }
    }

    #[test]
    fn each_step_of_the_table_is_taken_and_no_other() {
        let table = [
            (Open, vec![Acknowledged, Repaired, Deferred, Withdrawn]),
            (Acknowledged, vec![RepairScheduled, Repaired, Deferred, Withdrawn]),
            (RepairScheduled, vec![Repaired, Deferred, Withdrawn]),
            (Deferred, vec![Acknowledged, Repaired, Withdrawn]),
            (Repaired, vec![Verified, Acknowledged, Withdrawn]),
            (Verified, vec![Closed, Acknowledged, Withdrawn]),
            (Closed, vec![Open]),
            (Withdrawn, vec![]),
        ];
        assert_eq!(table.len(), DefectStatus::ALL.len());
        for (from, allowed) in table {
            for to in DefectStatus::ALL {
                for role in [Role::Manager, Role::Admin] {
                    let wanted = if allowed.contains(&to) {
                        Ok(())
                    } else {
                        Err(StepFault::NoSuchStep { from, to, allowed: allowed.clone() })
                    };
                    assert_eq!(standing(from).check(&step(to), &by(role)), wanted, "{from} to {to}");
                }
                let technician = standing(from).check(&step(to), &by(Role::Technician));
                let may = allowed.contains(&to) && to == Repaired;
                assert_eq!(technician.is_ok(), may, "a technician takes {from} to {to}");
            }
        }
        let refused = standing(Open).check(&step(Verified), &by(Role::Admin)).unwrap_err();
        let text = "a defect that is open cannot become verified; it can become acknowledged, repaired, deferred, withdrawn";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn what_is_deferred_goes_back_to_where_it_was() {
        for before in [Open, Acknowledged, RepairScheduled] {
            let deferred = Standing { deferred_from: Some(before), ..standing(Deferred) };
            for to in [Open, Acknowledged, RepairScheduled] {
                let taken = deferred.check(&step(to), &by(Role::Manager));
                assert_eq!(taken.is_ok(), to == before, "deferred when it was {before}, to {to}");
            }
        }
    }

    #[test]
    fn a_step_asks_for_what_it_needs() {
        let lacking = |from, step: Step<'_>| match standing(from).check(&step, &by(Role::Admin)) {
            Err(fault @ (StepFault::Lacks { .. } | StepFault::NotOfStep { .. } | StepFault::Past { .. })) => {
                fault.field("to").to_owned()
            }
            other => panic!("{from} to {}: {other:?}", step.to),
        };
        let without_reason = |to| Step { reason: None, ..step(to) };
        for (from, to) in [
            (Open, Deferred),
            (Open, Withdrawn),
            (Open, Repaired),
            (Deferred, Repaired),
            (Closed, Open),
            (Repaired, Acknowledged),
            (Verified, Acknowledged),
        ] {
            assert_eq!(lacking(from, without_reason(to)), "reason");
        }
        for (from, to) in [(RepairScheduled, Repaired), (Open, Acknowledged)] {
            assert!(standing(from).check(&without_reason(to), &by(Role::Admin)).is_ok());
        }
        assert_eq!(lacking(Open, Step { until: None, ..step(Deferred) }), "until");
        assert_eq!(lacking(Open, Step { until: Some(date!(2026 - 11 - 29)), ..step(Deferred) }), "until");
        assert_eq!(lacking(Open, Step { accepted_by: None, ..step(Deferred) }), "accepted_by");
        assert_eq!(lacking(Open, Step { until: Some(TODAY), ..step(Acknowledged) }), "until");
        assert_eq!(lacking(Open, Step { scheduled_for: Some(TODAY), ..step(Repaired) }), "scheduled_for");
    }

    #[test]
    fn a_critical_defect_is_deferred_with_an_interim_measure_alone() {
        let critical = Standing { is_critical: true, ..standing(Open) };
        let deferral = |standing: Standing| standing.check(&step(Deferred), &by(Role::Manager));
        assert_eq!(deferral(critical), Err(StepFault::NoInterimMeasure));
        assert_eq!(deferral(Standing { has_interim_measure: true, ..critical }), Ok(()));
    }

    #[test]
    fn nobody_verifies_what_they_repaired_unless_the_organisation_allows_it() {
        let own = Standing { repaired_by: Some(Uuid::from_u128(1)), ..standing(Repaired) };
        let verification = |standing: Standing, by| standing.check(&step(Verified), &by);
        assert_eq!(verification(own, by(Role::Manager)), Err(StepFault::OwnRepair));
        let allowed = Stepper { may_verify_own_repair: true, ..by(Role::Manager) };
        assert_eq!(verification(own, allowed), Ok(()));
        let of_another = Standing { repaired_by: Some(Uuid::from_u128(2)), ..own };
        assert_eq!(verification(of_another, by(Role::Manager)), Ok(()));
    }
}
