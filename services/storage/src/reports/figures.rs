//! What is counted of a building, a section or a whole organisation.

use std::ops::AddAssign;

use firemode_domain::defect::DefectClass;
use firemode_domain::session::SessionStatus;
use firemode_reports::Cell;

/// How many items stand at what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Items {
    pub(super) passed: i64,
    pub(super) failed: i64,
    pub(super) untested: i64,
    pub(super) not_applicable: i64,
}

impl Items {
    pub(super) fn tested(self) -> i64 {
        self.passed + self.failed
    }

    /// The share of what was tested that passed.
    pub(super) fn pass_rate(self) -> Cell {
        Cell::share(self.passed, self.tested())
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Items {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.untested += other.untested;
        self.not_applicable += other.not_applicable;
    }
}

/// How many defects there are of each class, the most severe first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Classes(pub(super) [i64; DefectClass::ALL.len()]);

impl Classes {
    pub(super) fn add(&mut self, class: DefectClass, defects: i64) {
        self.0[class as usize] += defects;
    }

    pub(super) fn total(self) -> i64 {
        self.0.iter().sum()
    }

    pub(super) fn cells(self) -> [Cell; DefectClass::ALL.len()] {
        self.0.map(Cell::Integer)
    }
}

impl AddAssign for Classes {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// How long defects have been known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    Week,
    Month,
    Quarter,
    Longer,
}

impl Age {
    pub(super) const ALL: [Self; 4] = [Self::Week, Self::Month, Self::Quarter, Self::Longer];

    /// Of so many whole days.
    pub(super) fn of_days(days: i64) -> Self {
        match days {
            ..=7 => Self::Week,
            8..=30 => Self::Month,
            31..=90 => Self::Quarter,
            _ => Self::Longer,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Week => "0-7 days",
            Self::Month => "8-30 days",
            Self::Quarter => "31-90 days",
            Self::Longer => "over 90 days",
        }
    }
}

/// All that is counted of a building, or of all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// By status.
    pub(super) sessions: [i64; SessionStatus::ALL.len()],
    pub(super) sessions_to_review: i64,
    pub(super) items: Items,
    pub(super) open_defects: Classes,
    pub(super) defects_to_review: i64,
    pub(super) evidence: i64,
}

impl Figures {
    pub(super) fn add_sessions(&mut self, status: SessionStatus, sessions: i64) {
        self.sessions[status as usize] += sessions;
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        self.sessions.iter_mut().zip(other.sessions).for_each(|(sum, more)| *sum += more);
        self.sessions_to_review += other.sessions_to_review;
        self.items += other.items;
        self.open_defects += other.open_defects;
        self.defects_to_review += other.defects_to_review;
        self.evidence += other.evidence;
    }
}
