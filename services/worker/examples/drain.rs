//! How many jobs a second do several engines drain, and is each job worked on once? Takes `DATABASE_URL`, and as arguments the number of
//! jobs and of engines; prints the rate, how many jobs were worked on once, and how many there were. load/jobs.sh runs it.

use std::error::Error;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use actix_web::rt::{self, System};
use firemode_runtime::settings::Settings;
use firemode_storage::jobs::{self, NewJob};
use firemode_storage::{Database, Purpose, StorageError};
use firemode_worker::engine::{Engine, Kind, Lane, Outcome};
use serde_json::json;
use uuid::Uuid;

const JOBS_MAX: usize = 100_000;

/// How often each job was worked on, by the number that is its input.
static RUNS: [AtomicUsize; JOBS_MAX] = [const { AtomicUsize::new(0) }; JOBS_MAX];

static DONE: AtomicUsize = AtomicUsize::new(0);

const LANES: &[Lane<()>] = &[Lane {
    name: "drain",
    running_max: 16,
    kinds: &[Kind {
        name: "drain",
        attempts_max: Some(3),
        comes_again: false,
        is_possible: |()| true,
        run: |_, task| {
            Box::pin(async move {
                let number = task.job.input.as_u64().and_then(|number| usize::try_from(number).ok());
                number.and_then(|number| RUNS.get(number)).map(|runs| runs.fetch_add(1, Ordering::Relaxed));
                DONE.fetch_add(1, Ordering::Relaxed);
                Ok(Outcome::Done(json!(null)))
            })
        },
    }],
}];

async fn fill(database: &Database, jobs_count: usize) -> Result<(), StorageError> {
    let tx = database.across_tenants(Purpose::Work).transaction().await?;
    let batch = Uuid::now_v7();
    for number in 0..jobs_count {
        let (key, input) = (format!("{batch} {number}"), json!(number));
        let job = NewJob {
            organisation_id: None,
            created_by: None,
            kind: "drain",
            key: &key,
            input: &input,
            time_max: None,
        };
        jobs::enqueue(&tx, &job).await?;
    }
    tx.commit().await
}

/// One instance: an engine with connections of its own, until everything is done.
fn work(settings: &Settings, jobs_count: usize) -> Result<(), StorageError> {
    System::new().block_on(async {
        let database = Database::new(settings, 2)?;
        let engine = Engine::new(Rc::new(()), database, LANES, &settings.worker);
        let working = rt::spawn(Rc::clone(&engine).run());
        while DONE.load(Ordering::Relaxed) < jobs_count {
            rt::time::sleep(Duration::from_millis(5)).await;
        }
        // What became of the last of them is stored by then.
        engine.leave().await;
        working.abort();
        Ok(())
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let jobs_count: usize = arguments.next().ok_or("how many jobs?")?.parse::<usize>()?.min(JOBS_MAX);
    let engines: usize = arguments.next().ok_or("how many engines?")?.parse()?;
    let settings = Settings::load(&env::vars().collect())?;
    System::new().block_on(async { fill(&Database::new(&settings, 1)?, jobs_count).await })?;
    let began = Instant::now();
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let engines: Vec<_> = (0..engines).map(|_| scope.spawn(|| work(&settings, jobs_count))).collect();
        for engine in engines {
            engine.join().map_err(|_| "an engine broke down")??;
        }
        Ok(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let once = RUNS.iter().filter(|runs| runs.load(Ordering::Relaxed) == 1).count();
    #[expect(clippy::cast_precision_loss, reason = "so many jobs are counted exactly")]
    let rate = jobs_count as f64 / seconds;
    writeln!(io::stdout(), "{rate:.0} {once} {jobs_count}")?;
    Ok(())
}
