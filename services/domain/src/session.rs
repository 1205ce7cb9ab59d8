//! The life of a test session.

use crate::role::Role;

crate::words! {
    /// Where a session is in its life.
    pub enum SessionStatus {
        /// Planned; no result yet.
        Pending = "pending",
        /// Results come in.
        Active = "active",
        /// Closed: what still arrives is kept apart as late.
        Completed = "completed",
        /// Given up: nothing more is taken.
        Cancelled = "cancelled",
    }
}

crate::words! {
    /// What became of a change that arrived after its session was completed.
    pub enum LateState {
        /// It waits for a manager.
        Late = "late",
        /// It is part of the record.
        Accepted = "accepted",
        /// It stays stored and apart.
        Rejected = "rejected",
    }
}

crate::words! {
    /// What a manager decides on late work.
    pub enum LateDecision {
        /// It becomes part of the record.
        Accept = "accepted",
        /// It stays stored and apart.
        Reject = "rejected",
    }
}

/// What happens to results that arrive for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// They become part of the record, and make a pending session active.
    Accept,
    /// They are kept apart until a manager decides.
    Late,
    /// They are refused.
    Refuse,
}

/// A change of status that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// No step leads from the one to the other.
    #[error("a session that is {from} cannot become {to}")]
    NoSuchStep {
        /// The present status.
        from: SessionStatus,
        /// The status asked for.
        to: SessionStatus,
    },
    /// The step exists, but not for this role.
    #[error("only a manager or an admin can {what} a completed session")]
    NotAllowed {
        /// What the step does.
        what: &'static str,
    },
}

impl SessionStatus {
    /// How results that arrive now are taken.
    pub const fn intake(self) -> Intake {
        match self {
            Self::Pending | Self::Active => Intake::Accept,
            Self::Completed => Intake::Late,
            Self::Cancelled => Intake::Refuse,
        }
    }

    /// May a user with this role move a session from `self` to `next`? Staying where it is is always allowed.
    ///
    /// # Errors
    /// See [`TransitionError`].
    pub fn check_step(self, next: Self, role: Role) -> Result<(), TransitionError> {
        use SessionStatus::{Active, Cancelled, Completed, Pending};
        match (self, next) {
            (from, to) if from == to => Ok(()),
            (Pending, Active) | (Active, Completed) | (Pending | Active, Cancelled) => Ok(()),
            // What is completed is for managers alone: others rely on it.
            (Completed, Active | Cancelled) if matches!(role, Role::Manager | Role::Admin) => Ok(()),
            (Completed, Active) => Err(TransitionError::NotAllowed { what: "reopen" }),
            (Completed, Cancelled) => Err(TransitionError::NotAllowed { what: "cancel" }),
            (from, to) => Err(TransitionError::NoSuchStep { from, to }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SessionStatus::{Active, Cancelled, Completed, Pending};
    use super::*;

    #[test]
    fn only_the_steps_of_the_contract_exist() {
        let allowed = |role| {
            let mut steps = Vec::new();
            for from in SessionStatus::ALL {
                let next = SessionStatus::ALL.into_iter().filter(|&to| to != from);
                steps.extend(next.filter(|&to| from.check_step(to, role).is_ok()).map(|to| (from, to)));
            }
            steps
        };
        let technician =
            vec![(Pending, Active), (Pending, Cancelled), (Active, Completed), (Active, Cancelled)];
        assert_eq!(allowed(Role::Technician), technician);
        for role in [Role::Manager, Role::Admin] {
            let extra: Vec<_> = allowed(role).into_iter().filter(|step| !technician.contains(step)).collect();
            assert_eq!(extra, [(Completed, Active), (Completed, Cancelled)], "{role}");
        }
        for (next, what) in [(Active, "reopen"), (Cancelled, "cancel")] {
            let refused = Completed.check_step(next, Role::Technician);
            assert_eq!(refused, Err(TransitionError::NotAllowed { what }));
        }
    }
}
