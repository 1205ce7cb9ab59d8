//! The rules that must hold in every history.

use firemode_supervisor::machine::{Edition, Phase, Run, Transition};
use firemode_supervisor::spec::Kind;
use nix::sys::signal::Signal;

use super::policy;
use super::world::{RECOVERED_BY, World};

impl World {
    /// Never two of one child, but for a handover; never a start before its dependency is ready; none during a stop.
    pub(crate) fn check_spawn(&self, run: Run, edition: Edition, succeeds: bool) {
        let seed = self.seed;
        let spec = &self.table[run.child];
        assert!(self.asked_at.is_none(), "seed {seed}: {} started during a stop", spec.name);
        let alive = self.of_child(run.child).count();
        let may_be_alive = usize::from(spec.hands_over);
        assert!(alive <= may_be_alive, "seed {seed}: {} is there {} times", spec.name, alive + 1);
        // One whose predecessor failed to start in the same moment is only more careful than it has to be.
        assert!(succeeds || alive == 0, "seed {seed}: {} does not know that another serves", spec.name);
        for dependency in &spec.depends_on {
            let index = self.table.iter().position(|other| other.name == *dependency).unwrap();
            assert!(self.is_satisfied(index), "seed {seed}: {} started before {dependency}", spec.name);
        }
        let may_be_candidate = self.reloads_begun > self.reloads_ended;
        assert!(
            edition == Edition::Adopted || may_be_candidate,
            "seed {seed}: a new version without a reload"
        );
    }

    pub(crate) fn check_transition(&self, step: &Transition) {
        let seed = self.seed;
        let child = self.table.iter().position(|spec| spec.name == step.child).unwrap();
        assert_eq!(step.from, self.reported[child], "seed {seed}: {} skipped a step", step.child);
        let backoff_max = policy().backoff_max;
        assert!(step.retry_in.is_none_or(|delay| delay <= backoff_max), "seed {seed}: {step:?}");
    }

    /// Those that need a child are asked to stop before it, and PostgreSQL is never killed without a warning.
    pub(crate) fn check_signal(&self, run: Run, signal: Signal) {
        let seed = self.seed;
        let Some(process) = self.processes.iter().find(|process| process.run == run) else { return };
        let name = self.table[run.child].name;
        if signal == Signal::SIGKILL {
            let warned =
                self.table[run.child].kind != Kind::Postgres || process.got.contains(&Signal::SIGQUIT);
            assert!(warned, "seed {seed}: postgres killed without a warning");
            return;
        }
        let mut later = self.processes.iter().filter(|other| other.run.child > run.child);
        let in_order = later.all(|other| other.got.contains(&Signal::SIGKILL));
        // A process that was to take over and is not needed any more serves nobody, and one that runs once does not either.
        let is_service = self.table[run.child].kind != Kind::OneShot;
        let serves = is_service && (process.ready || self.machine.present(run.child) == run);
        let first = process.got.is_empty();
        let orderly = self.asked_at.is_none() || !first || !serves || in_order || signal == Signal::SIGQUIT;
        assert!(orderly, "seed {seed}: {name} asked to stop before those that need it");
    }

    /// The stop of everything fits into its time.
    pub(crate) fn check_time(&self) {
        if let Some(asked) = self.asked_at {
            let took = self.now - asked;
            assert!(took <= policy().shutdown_max, "seed {}: the stop takes {took:?}", self.seed);
        }
    }

    /// Nobody has to help: when the troubles are over, everything comes up.
    pub(crate) fn check_recovered(&self) {
        if self.awake() >= RECOVERED_BY {
            let all = (0..self.table.len()).all(|child| self.is_satisfied(child));
            assert!(all, "seed {}: troubles are over, and it stands at {:?}", self.seed, self.reported);
            assert_eq!(self.reloads_begun, self.reloads_ended, "seed {}: a reload never ends", self.seed);
        }
    }

    /// Every process is accounted for, and every operator has an answer.
    pub(crate) fn check_end(&self) {
        let seed = self.seed;
        assert!(self.processes.is_empty(), "seed {seed}: a process is left");
        assert!(!self.stood_in_for.contains(&true), "seed {seed}: a stand-in is left");
        assert!(self.unanswered.is_empty(), "seed {seed}: requests {:?} have no answer", self.unanswered);
        assert_eq!(self.reloads_begun, self.reloads_ended, "seed {seed}: a reload never ends");
        for (child, phase) in self.reported.iter().enumerate() {
            let over = matches!(phase, Phase::Stopped | Phase::Done);
            assert!(over, "seed {seed}: {} ends as {phase}", self.table[child].name);
        }
    }

    /// Does the present generation of a child answer its clients?
    pub(crate) fn serves(&self, child: usize) -> bool {
        let present = self.machine.present(child);
        self.of_child(child).any(|process| process.run == present && process.ready && !process.hangs)
    }

    pub(crate) fn is_satisfied(&self, child: usize) -> bool {
        match self.table[child].kind {
            Kind::OneShot => self.reported[child] == Phase::Done,
            Kind::Service | Kind::Postgres => {
                self.reported[child] == Phase::Ready && self.of_child(child).next().is_some()
            }
        }
    }
}
