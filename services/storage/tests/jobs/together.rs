//! Many workers at the same moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firemode_storage::jobs::{self, Ending, Enqueued, JobState, KindLimits, NewJob, OPEN_MAX, RUNNING_MAX};
use firemode_storage::{Database, Purpose};
use serde_json::json;
use uuid::Uuid;

use crate::server::{Server, claim, end};

const KINDS: [KindLimits; 1] = [KindLimits { name: "counted", attempts_max: Some(3) }];
const WORKERS: usize = 6;
const JOBS_OF_EACH: usize = 150;

async fn enqueue(server: &Server, organisation_id: Option<Uuid>, key: &str) -> Enqueued {
    let access = match organisation_id {
        Some(id) => server.database.tenant(id),
        None => server.database.across_tenants(Purpose::Work),
    };
    let tx = access.transaction().await.unwrap();
    let input = json!({});
    let job =
        NewJob { organisation_id, created_by: None, kind: KINDS[0].name, key, input: &input, time_max: None };
    let enqueued = jobs::enqueue(&tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    enqueued
}

/// What the workers hold at this moment, and what they have done.
#[derive(Default)]
struct Tally {
    held: HashMap<Uuid, i64>,
    done: HashMap<Uuid, usize>,
}

/// Works until so many jobs are done. Panics where an organisation has more running than it may.
async fn work(database: Database, jobs_max: usize, all: usize, tally: Arc<Mutex<Tally>>) {
    while tally.lock().unwrap().done.len() < all {
        let claimed = claim(&database, &KINDS, jobs_max).await.claimed;
        for job in &claimed {
            let mut tally = tally.lock().unwrap();
            let held = tally.held.entry(job.organisation_id.unwrap()).or_default();
            *held += 1;
            assert!(*held <= RUNNING_MAX, "{held} run for one organisation");
        }
        for job in claimed {
            tokio::time::sleep(Duration::from_millis(2)).await;
            // What is counted is never more than what the database has.
            *tally.lock().unwrap().held.get_mut(&job.organisation_id.unwrap()).unwrap() -= 1;
            assert_eq!(end(&database, job.hold, Ending::Done(&json!(1))).await, Some(JobState::Done));
            *tally.lock().unwrap().done.entry(job.hold.job_id).or_default() += 1;
        }
    }
}

#[test]
fn each_job_is_worked_on_once_and_no_organisation_has_too_many_running() {
    let server = Server::start();
    let organisations: Vec<Uuid> = (0..4).map(|_| server.organisation()).collect();
    let all = JOBS_OF_EACH * organisations.len();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let work = |worker: usize| {
        server.runtime.spawn(work(server.database.clone(), 1 + worker % 3, all, Arc::clone(&tally)))
    };
    let workers: Vec<_> = (0..WORKERS).map(work).collect();
    // Each is due before those that wait already, as after a long transaction: two workers see another one in front.
    let add = "insert into jobs (id, organisation_id, kind, key, input, due_at)
               values ($1, $2, $3, $4, '{}', now() - make_interval(secs => $5))";
    for number in 0..JOBS_OF_EACH {
        for organisation in &organisations {
            let key = number.to_string();
            server.rows(
                add,
                &[
                    &Uuid::now_v7(),
                    organisation,
                    &KINDS[0].name,
                    &key,
                    &f64::from(u32::try_from(number).unwrap()),
                ],
            );
        }
    }
    workers.into_iter().for_each(|worker| server.runtime.block_on(worker).unwrap());
    let done = &tally.lock().unwrap().done;
    assert!(done.len() == all && done.values().all(|times| *times == 1), "{done:?}");
}

#[test]
fn at_the_same_moment_no_more_are_taken_than_there_is_room_for_and_a_key_is_taken_once() {
    let server = Server::start();
    let (organisation, other) = (server.organisation(), server.organisation());
    let added = server.runtime.block_on(async {
        let adding = (0..OPEN_MAX * 2).map(|number| {
            let server = &server;
            async move { enqueue(server, Some(organisation), &(number % (OPEN_MAX + 20)).to_string()).await }
        });
        futures_util::future::join_all(adding).await
    });
    let new = added.iter().filter(|added| matches!(added, Enqueued::New(_))).count();
    assert_eq!(i64::try_from(new).unwrap(), OPEN_MAX);
    assert!(added.contains(&Enqueued::Full));
    server.runtime.block_on(async {
        let first = enqueue(&server, None, "the appliance's").await;
        let Enqueued::New(id) = first else { panic!("{first:?}") };
        assert_eq!(enqueue(&server, None, "the appliance's").await, Enqueued::Known(id));
        // The organisation's own jobs are in nobody else's way.
        assert!(matches!(enqueue(&server, Some(other), "the appliance's").await, Enqueued::New(_)));
    });
}

#[test]
fn a_claim_waits_for_one_that_is_on_its_way() {
    let server = Server::start();
    let other = server.connect();
    // The number is one of those that instances of different releases agree on.
    server
        .runtime
        .block_on(other.batch_execute("begin; select pg_advisory_xact_lock(5064669713507762771)"))
        .unwrap();
    let (waits, goes_on) = server.runtime.block_on(async {
        let database = server.database.clone();
        let mut claiming = tokio::spawn(async move { claim(&database, &KINDS, 1).await });
        let waits = tokio::time::timeout(Duration::from_millis(300), &mut claiming).await.is_err();
        other.batch_execute("commit").await.unwrap();
        (waits, claiming.await.is_ok())
    });
    assert!(waits && goes_on);
}
