//! Histories of workers that claim, renew, end, freeze, thaw and die, against a model of what each of them may do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use firemode_storage::jobs::{
    self, Claimed, Ending, Enqueued, GivenUp, Hold, JobState, KindLimits, NewJob, RUNNING_MAX,
};
use firemode_storage::{Purpose, Transaction};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::server::{HOLD, Server, claim, end, ids, renew};

const ATTEMPTS_MAX: i32 = 3;

/// The second one never gives up.
const KINDS: [KindLimits; 2] = [
    KindLimits { name: "bounded", attempts_max: Some(ATTEMPTS_MAX) },
    KindLimits { name: "endless", attempts_max: None },
];

/// All times are fifty seconds off the steps in which time passes, so that none of them hangs on how fast the test runs.
const PAUSE: u64 = 150;
const TIME_MAX: u64 = 1_050;

/// What happens next. Workers keep the holds that they were given and use any of them at any time, as one that was frozen would.
#[derive(Debug, Clone)]
enum Step {
    Enqueue { organisation: usize, kind: usize, key: u8, has_deadline: bool },
    Claim { jobs_max: usize },
    Renew { hold: usize },
    End { hold: usize, how: How },
    Cancel { job: usize },
    Retry { job: usize },
    Pass { seconds: u64 },
}

#[derive(Debug, Clone, Copy)]
enum How {
    Done,
    Again,
    Failed,
    Refused,
    Cancelled,
    GivenBack,
}

/// What must be true of a job.
#[derive(Debug, Clone)]
struct Model {
    organisation: usize,
    kind: usize,
    state: JobState,
    /// Seconds from the beginning of the history.
    due: u64,
    deadline: Option<u64>,
    attempts: i32,
    holder: Option<Hold>,
    is_cancel_asked: bool,
    times_done: usize,
}

struct History<'a> {
    server: &'a Server,
    organisations: [Option<Uuid>; 3],
    now: u64,
    jobs: BTreeMap<Uuid, Model>,
    keys: BTreeMap<(usize, usize, u8), Uuid>,
    holds: Vec<Hold>,
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        4 => Just(How::Done), 1 => Just(How::Again), 4 => Just(How::Failed),
        1 => Just(How::Refused), 1 => Just(How::Cancelled), 2 => Just(How::GivenBack),
    ];
    let any_job = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        6 => (0..3_usize, 0..2_usize, 0..6_u8, any::<bool>())
            .prop_map(|(organisation, kind, key, has_deadline)| Step::Enqueue { organisation, kind, key, has_deadline }),
        6 => (1..5_usize).prop_map(|jobs_max| Step::Claim { jobs_max }),
        2 => any_job.clone().prop_map(|hold| Step::Renew { hold }),
        6 => (any_job.clone(), how).prop_map(|(hold, how)| Step::End { hold, how }),
        1 => any_job.clone().prop_map(|job| Step::Cancel { job }),
        1 => any_job.prop_map(|job| Step::Retry { job }),
        3 => prop_oneof![Just(100), Just(200), Just(400)].prop_map(|seconds| Step::Pass { seconds }),
    ]
}

#[test]
fn whatever_workers_do_each_job_comes_to_one_end_and_nobody_speaks_for_another() {
    let server = Server::start();
    let organisations = RefCell::new([Some(server.organisation()), Some(server.organisation()), None]);
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..60))| {
        server.rows("delete from jobs", &[]);
        let mut history = History::new(&server, *organisations.borrow());
        for step in steps {
            history.take(step);
            history.compare();
        }
        history.drain();
    });
}

impl<'a> History<'a> {
    fn new(server: &'a Server, organisations: [Option<Uuid>; 3]) -> Self {
        Self {
            server,
            organisations,
            now: 0,
            jobs: BTreeMap::new(),
            keys: BTreeMap::new(),
            holds: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Enqueue { organisation, kind, key, has_deadline } => {
                self.enqueue(organisation, kind, key, has_deadline)
            }
            Step::Claim { jobs_max } => drop(self.claim(jobs_max)),
            Step::Renew { hold } => self.renew(hold),
            Step::End { hold, how } => self.end(hold, how),
            Step::Cancel { job } => self.operate(
                job,
                async |tx, id| jobs::cancel(tx, id).await.unwrap().map(|it| it.state),
                cancelled,
            ),
            Step::Retry { job } => self.operate(
                job,
                async |tx, id| jobs::retry(tx, id).await.unwrap().map(|it| it.state),
                retried,
            ),
            Step::Pass { seconds } => {
                self.server.pass(Duration::from_secs(seconds));
                self.now += seconds;
            }
        }
    }

    fn enqueue(&mut self, organisation: usize, kind: usize, key: u8, has_deadline: bool) {
        let input = json!({ "key": key });
        let job = NewJob {
            organisation_id: self.organisations[organisation],
            created_by: None,
            kind: KINDS[kind].name,
            key: &key.to_string(),
            input: &input,
            time_max: has_deadline.then_some(Duration::from_secs(TIME_MAX)),
        };
        let enqueued = self.within(async |tx| jobs::enqueue(tx, &job).await.unwrap());
        let known = self.keys.get(&(organisation, kind, key)).copied();
        match (enqueued, known) {
            (Enqueued::Known(id), Some(known)) => assert_eq!(id, known, "a key names one job"),
            (Enqueued::New(id), None) => {
                let deadline = has_deadline.then_some(self.now + TIME_MAX);
                self.keys.insert((organisation, kind, key), id);
                self.jobs.insert(
                    id,
                    Model {
                        organisation,
                        kind,
                        state: JobState::Waiting,
                        due: self.now,
                        deadline,
                        attempts: 0,
                        holder: None,
                        is_cancel_asked: false,
                        times_done: 0,
                    },
                );
            }
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, jobs_max: usize) -> Vec<Claimed> {
        let round = self.server.runtime.block_on(claim(&self.server.database, &KINDS, jobs_max));
        assert!(round.claimed.len() + round.given_up.len() <= jobs_max);
        for GivenUp { id, state, .. } in &round.given_up {
            let job = self.jobs.get_mut(id).unwrap();
            assert!(job.is_due(self.now) && job.is_over(self.now), "{job:?} was given up");
            let wanted = if job.is_cancel_asked { JobState::Cancelled } else { JobState::Failed };
            assert_eq!(*state, wanted);
            (job.state, job.holder) = (*state, None);
        }
        for claimed in &round.claimed {
            let job = self.jobs.get_mut(&claimed.hold.job_id).unwrap();
            assert!(job.is_due(self.now) && !job.is_over(self.now), "{job:?} was claimed");
            assert_eq!(claimed.attempt, job.attempts + 1);
            assert!(claimed.time_left.is_some() == job.deadline.is_some());
            (job.state, job.attempts, job.holder) = (JobState::Running, claimed.attempt, Some(claimed.hold));
            job.due = self.now + HOLD.as_secs();
        }
        let is_idle = round.claimed.is_empty() && round.given_up.is_empty();
        let left = self
            .jobs
            .values()
            .find(|job| job.is_due(self.now) && (job.is_over(self.now) || self.has_room(job)));
        assert!(!is_idle || left.is_none(), "{left:?} was left");
        self.holds.extend(round.claimed.iter().map(|job| job.hold));
        round.claimed
    }

    fn has_room(&self, job: &Model) -> bool {
        let runs = |other: &&Model| {
            (other.organisation, other.kind, other.state) == (job.organisation, job.kind, JobState::Running)
        };
        let running = i64::try_from(self.jobs.values().filter(runs).count()).unwrap();
        job.state == JobState::Running
            || self.organisations[job.organisation].is_none()
            || running < RUNNING_MAX
    }

    fn renew(&mut self, hold: usize) {
        let Some(hold) = pick(&self.holds, hold) else { return };
        let renewed = self.server.runtime.block_on(renew(&self.server.database, &[hold]));
        let job = self.jobs.get_mut(&hold.job_id).unwrap();
        let is_held = job.holder == Some(hold);
        assert_eq!(renewed.len(), usize::from(is_held), "{job:?} and {hold:?}");
        if is_held {
            assert_eq!(renewed[0].is_cancel_asked, job.is_cancel_asked);
            job.due = self.now + HOLD.as_secs();
        }
    }

    fn end(&mut self, hold: usize, how: How) {
        let Some(hold) = pick(&self.holds, hold) else { return };
        let pause = Duration::from_secs(PAUSE);
        let is_last = self.jobs[&hold.job_id].attempts == ATTEMPTS_MAX;
        let result = json!({ "by": hold.holder_id });
        let ending = match how {
            How::Done => Ending::Done(&result),
            How::Again => Ending::Again(pause, None),
            How::Failed => Ending::Failed { why: "it was to", pause, is_last },
            How::Refused => Ending::Refused("No."),
            How::Cancelled => Ending::Cancelled,
            How::GivenBack => Ending::GivenBack,
        };
        let state = self.server.runtime.block_on(end(&self.server.database, hold, ending));
        let job = self.jobs.get_mut(&hold.job_id).unwrap();
        if job.holder != Some(hold) {
            assert_eq!(state, None, "{hold:?} spoke for {job:?}");
            return;
        }
        job.ended(how, is_last, self.now);
        assert_eq!(state, Some(job.state), "{how:?}: {job:?}");
    }

    fn operate(
        &mut self,
        job: usize,
        act: impl AsyncFnOnce(&Transaction, Uuid) -> Option<JobState>,
        expect: fn(&mut Model, u64),
    ) {
        let all: Vec<Uuid> = self.jobs.keys().copied().collect();
        let Some(id) = pick(&all, job) else { return };
        let state = self.within(async |tx| act(tx, id).await);
        let job = self.jobs.get_mut(&id).unwrap();
        expect(job, self.now);
        assert_eq!(state, Some(job.state));
    }

    fn within<T>(&self, act: impl AsyncFnOnce(&Transaction) -> T) -> T {
        self.server.runtime.block_on(async {
            let tx = self.server.database.across_tenants(Purpose::Work).transaction().await.unwrap();
            let given = act(&tx).await;
            tx.commit().await.unwrap();
            given
        })
    }

    /// The rows say what the model does.
    fn compare(&self) {
        let rows = self.server.rows("select id, state, attempts, holder_id from jobs", &[]);
        assert_eq!(rows.len(), self.jobs.len());
        for row in rows {
            let job = &self.jobs[&row.get::<_, Uuid>(0)];
            let holder = job.holder.map(|hold| hold.holder_id);
            assert_eq!(
                (row.get(1), row.get(2), row.get(3)),
                (job.state.as_str(), job.attempts, holder),
                "{job:?}"
            );
        }
        for job in self.jobs.values().filter(|job| self.organisations[job.organisation].is_some()) {
            let same = |other: &&Model| {
                (other.organisation, other.kind, other.state)
                    == (job.organisation, job.kind, JobState::Running)
            };
            let running = self.jobs.values().filter(same).count();
            assert!(i64::try_from(running).unwrap() <= RUNNING_MAX, "{running} run like {job:?}");
        }
    }

    /// One worker that does what it claims, long after the others are dead, leaves nothing open.
    fn drain(&mut self) {
        for _ in 0..200 {
            let claimed = self.claim(8);
            for id in ids(&claimed) {
                let at = self.holds.iter().rposition(|hold| hold.job_id == id).unwrap();
                self.end(at, How::Done);
            }
            if self.jobs.values().all(|job| !job.is_open()) {
                self.compare();
                assert!(
                    self.jobs
                        .values()
                        .all(|job| job.times_done <= 1
                            && (job.times_done == 1) == (job.state == JobState::Done))
                );
                return;
            }
            if claimed.is_empty() {
                self.take(Step::Pass { seconds: 400 });
            }
        }
        panic!("jobs stay open: {:?}", self.jobs);
    }
}

impl Model {
    fn is_open(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Running)
    }

    fn is_due(&self, now: u64) -> bool {
        self.is_open() && self.due <= now
    }

    fn is_over(&self, now: u64) -> bool {
        let is_worn = self.state == JobState::Running
            && KINDS[self.kind].attempts_max.is_some_and(|max| self.attempts >= max);
        self.is_cancel_asked || self.deadline.is_some_and(|deadline| deadline <= now) || is_worn
    }

    fn ended(&mut self, how: How, is_last: bool, now: u64) {
        let state = match how {
            How::Done => JobState::Done,
            How::Refused => JobState::Failed,
            How::Failed if is_last => JobState::Failed,
            How::Cancelled => JobState::Cancelled,
            _ if self.is_cancel_asked => JobState::Cancelled,
            How::Again | How::Failed | How::GivenBack => JobState::Waiting,
        };
        let pause = if matches!(how, How::Again | How::Failed) { PAUSE } else { 0 };
        self.due = self.deadline.map_or(now + pause, |deadline| deadline.min(now + pause));
        self.attempts = match how {
            How::Again => 0,
            How::GivenBack => self.attempts - 1,
            _ => self.attempts,
        };
        self.times_done += usize::from(state == JobState::Done);
        (self.state, self.holder, self.is_cancel_asked) = (state, None, false);
    }
}

fn cancelled(job: &mut Model, _: u64) {
    match job.state {
        JobState::Waiting => job.state = JobState::Cancelled,
        JobState::Running => job.is_cancel_asked = true,
        JobState::Done | JobState::Failed | JobState::Cancelled => {}
    }
}

fn retried(job: &mut Model, now: u64) {
    if matches!(job.state, JobState::Waiting | JobState::Failed | JobState::Cancelled) {
        (job.state, job.attempts, job.due, job.deadline) = (JobState::Waiting, 0, now, None);
    }
}

/// One of them, where there are any.
fn pick<T: Copy>(of: &[T], number: usize) -> Option<T> {
    (!of.is_empty()).then(|| of[number % of.len()])
}
