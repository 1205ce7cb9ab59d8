//! Statements that run on although whoever sent them has stopped waiting: a job that was ended, a request that was given up.

use std::time::Duration;

use actix_web::rt::time::{sleep, timeout};
use actix_web::rt::{self, System};
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::jobs;
use firemode_storage::{Database, Purpose};

use crate::support::{Stack, eventually};

const CONNECTIONS: usize = 4;

async fn look_for_jobs(database: Database) {
    let tx = database.across_tenants(Purpose::Work).read().await.unwrap();
    jobs::next_due(&tx, &["any"]).await.unwrap();
}

#[test]
fn what_nobody_waits_for_holds_neither_connections_nor_locks() {
    let stack = Stack::start(&[]);
    // Nothing ends by itself while this test waits.
    let env: Environ = [
        ("DATABASE_URL".to_owned(), stack.folder().database_url()),
        ("FIREMODE__DATABASE__STATEMENT_SECONDS_MAX".to_owned(), "300".to_owned()),
        ("FIREMODE__DATABASE__WAIT_SECONDS_MAX".to_owned(), "60".to_owned()),
    ]
    .into_iter()
    .collect();
    let settings = Settings::load(&env).unwrap();
    let (in_the_way, onlooker) = (stack.sql(), stack.sql());
    let waiting = || {
        let sql = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%min(due_at)%'";
        onlooker.count(sql, &[])
    };
    in_the_way.batch("begin; lock table jobs in access exclusive mode");
    let system = System::new();
    let database = Database::new(&settings, CONNECTIONS).unwrap();
    let spawn = |_| rt::spawn(look_for_jobs(database.clone()));
    let callers: Vec<_> = system.block_on(async { (0..CONNECTIONS).map(spawn).collect() });
    eventually("each waits on a connection of its own", || {
        system.block_on(async { sleep(Duration::from_millis(20)).await });
        (waiting() == i64::try_from(CONNECTIONS).unwrap()).then_some(())
    });
    system.block_on(async {
        callers.iter().for_each(rt::task::JoinHandle::abort);
        // Whoever is next waits for none of them.
        timeout(Duration::from_secs(30), database.latency()).await.expect("it does not wait").unwrap();
    });
    eventually("they are cancelled", || (waiting() == 0).then_some(()));
    in_the_way.batch("rollback");
}
