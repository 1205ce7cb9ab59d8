//! What row-level security costs, with the storage functions that the appliance itself uses. Prints ratios; run it on request:
//! `cargo test --test it -- --ignored --nocapture row_security_cost`

use std::borrow::Cow;
use std::time::{Duration, Instant};

use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use firemode_runtime::process_id::ProcessId;
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::changes::{NewChange, Origin};
use firemode_storage::idempotency::{IdempotencyScope, StoredAnswer};
use firemode_storage::page::{self, Keyset};
use firemode_storage::sessions::{Hold, SessionFilter};
use firemode_storage::{
    Database, StorageError, audit, buildings, changes, idempotency, revocations, sessions,
};
use serde_json::json;
use serde_json::value::to_raw_value;
use time::OffsetDateTime;
use tokio::runtime::Builder;
use uuid::Uuid;

use crate::support::organisation::uuid;
use crate::support::{Site, Sql, Stack, new_key};

/// Runs of each statement in a round; rounds with and without policies take turns, so that other load hits both.
const RUNS: usize = 150;
const ROUNDS: usize = 8;

/// Other tenants and their sessions, so that a table is not all of one organisation.
const FILL: &str = "
    insert into organisations (id, name) select gen_random_uuid(), 'other' from generate_series(1, 200);
    insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
        select gen_random_uuid(), id, id || '@example.org', 'x', 'x', 'admin' from organisations where name = 'other';
    insert into buildings (id, organisation_id, site_name, site_address)
        select gen_random_uuid(), id, 'x', 'x' from organisations where name = 'other';
    insert into test_sessions (id, organisation_id, building_id, name, created_by)
        select gen_random_uuid(), organisation_id, b.id, 'x', u.id
        from buildings b join users u using (organisation_id), generate_series(1, 200);";

/// One tenant of the measured database, and the way to it.
struct Bench {
    database: Database,
    organisation_id: Uuid,
    user_id: Uuid,
    building_id: Uuid,
    session_id: Uuid,
}

impl Bench {
    async fn nothing(&self) -> Result<(), StorageError> {
        self.database.tenant(self.organisation_id).read().await.map(drop)
    }

    async fn one_building(&self) -> Result<(), StorageError> {
        let tx = self.database.tenant(self.organisation_id).read().await?;
        assert!(buildings::find(&tx, self.organisation_id, self.building_id).await?.is_some());
        Ok(())
    }

    async fn list_of_sessions(&self) -> Result<(), StorageError> {
        let tx = self.database.tenant(self.organisation_id).read().await?;
        let keyset = Keyset { visible_up_to: page::visible_up_to(&tx).await?, after: None, limit: 50 };
        let page = sessions::list(&tx, self.organisation_id, &SessionFilter::default(), &keyset).await?;
        assert_eq!(page.rows.len(), 50);
        Ok(())
    }

    /// The statements of a request for results, in their order.
    async fn results(&self) -> Result<(), StorageError> {
        let (organisation_id, user_id, session_id) = (self.organisation_id, self.user_id, self.session_id);
        let tx = self.database.tenant(organisation_id).transaction().await?;
        let path = "/v1/results".to_owned();
        let scope =
            IdempotencyScope { organisation_id, user_id, method: "POST".to_owned(), path, key: new_key() };
        idempotency::claim(&tx, &scope).await?;
        sessions::find(&tx, organisation_id, session_id, Hold::None).await?;
        sessions::find(&tx, organisation_id, session_id, Hold::AgainstChange).await?;
        let (jti, now) = (Uuid::new_v4(), OffsetDateTime::now_utc());
        assert!(revocations::is_valid(&tx, organisation_id, user_id, jti, now).await?);
        let origin = Origin { organisation_id, session_id, user_id, process_id: ProcessId::of_new_process() };
        changes::insert(&tx, &origin, &[change()]).await?;
        audit::record(&tx, &[self.event()]).await?;
        let answer = to_raw_value(&json!({"accepted": 1})).expect("JSON");
        let answer = StoredAnswer { fingerprint: vec![0; 32], status: 200, answer };
        idempotency::store(&tx, &[(&scope, answer)], 7).await?;
        tx.commit().await
    }

    fn event(&self) -> AuditEvent {
        AuditEvent {
            id: Uuid::now_v7(),
            organisation_id: self.organisation_id,
            actor_user_id: Some(self.user_id),
            action: Cow::Borrowed("results.accept"),
            resource_type: Cow::Borrowed("session"),
            resource_id: Some(self.session_id.to_string()),
            status: AuditStatus::Success,
            before: None,
            after: Some(json!({"accepted": 1})),
            transaction_id: Uuid::now_v7(),
            at: truncate_to_microseconds(OffsetDateTime::now_utc()),
            replaces: None,
        }
    }
}

/// A row of the size of a small change; what is in it does not matter to the database.
fn change() -> NewChange {
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    NewChange {
        hash: random.clone(),
        actor: random[..16].to_vec(),
        seq: 1,
        start_op: 1,
        deps: vec![random.clone()],
        bytes: vec![7; 150],
        device: Some("tablet".to_owned()),
        op_ids: vec![new_key()],
    }
}

/// Lets the owner of the tables, which the appliance is, pass the policies, or not.
fn set_policies(sql: &Sql, are_forced: bool) {
    let force = if are_forced { "force" } else { "no force" };
    let tables = "select c.oid::regclass::text from pg_class c
                  where c.relnamespace = 'public'::regnamespace and c.relrowsecurity";
    for row in sql.rows(tables, &[]) {
        sql.batch(&format!("alter table {} {force} row level security", row.get::<_, &str>(0)));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Medians with and without policies.
fn compared(sql: &Sql, mut run: impl FnMut()) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS * 2 {
        set_policies(sql, round % 2 == 0);
        (0..RUNS / 5).for_each(|_| run());
        for _ in 0..RUNS {
            let start = Instant::now();
            run();
            times[round % 2].push(start.elapsed());
        }
    }
    set_policies(sql, true);
    times.map(median)
}

#[test]
#[ignore = "measures, and takes a quiet machine"]
fn row_security_cost() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    sql.batch(FILL);
    sql.rows(
        "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         select gen_random_uuid(), $1, $2, 'x', $3 from generate_series(1, 500)",
        &[&site.organisation.id, &uuid(&site.building_id), &site.organisation.user_id],
    );
    sql.batch("analyze");
    let env: Environ = [("DATABASE_URL".to_owned(), stack.folder().database_url())].into_iter().collect();
    let settings = Settings::load(&env).unwrap();
    // With a thread of its own: the end of a transaction that nobody waits for must be sent before the tables are altered.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let database = runtime.block_on(async { Database::new(&settings, 1) }).unwrap();
    let bench = Bench {
        database,
        organisation_id: site.organisation.id,
        user_id: site.organisation.user_id,
        building_id: uuid(&site.building_id),
        session_id: uuid(&site.session_id),
    };
    let report = |what: &str, [with, without]: [Duration; 2]| {
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        println!("{what}: {ratio:.2} times ({with:.1?} with policies, {without:.1?} without)");
    };
    let [beginning, _] = compared(&sql, || runtime.block_on(bench.nothing()).unwrap());
    println!("beginning and ending a transaction that reads: {beginning:.0?}");
    report("one building", compared(&sql, || runtime.block_on(bench.one_building()).unwrap()));
    report("list of sessions", compared(&sql, || runtime.block_on(bench.list_of_sessions()).unwrap()));
    report("results transaction", compared(&sql, || runtime.block_on(bench.results()).unwrap()));
}
