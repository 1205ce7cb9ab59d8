//! Poolers that give each transaction another connection: one that keeps no prepared statements (pgbouncer before 1.21, as Debian has it),
//! and one that does.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::postgres::PORT;
use crate::support::relay::Relay;
use crate::support::site::{new_building, operation};
use crate::support::stack::command;
use crate::support::wait::within;
use crate::support::{Data, Folder, Postgres, Site, Sql, Stack, eventually, new_key};

/// Server connections of the pooler: fewer than the processes have among themselves.
const POOL_SIZE: usize = 12;

/// Names a pgbouncer that keeps prepared statements.
const NEWER: &str = "FIREMODE_TEST_PGBOUNCER";

const UNPREPARED: (&str, &str) = ("FIREMODE__DATABASE__PREPARED_STATEMENTS", "false");

/// A pooler to be started.
struct Program {
    path: OsString,
    /// More lines of its settings.
    settings: &'static str,
    /// What an appliance behind it has to be told.
    env: &'static [(&'static str, &'static str)],
}

impl Program {
    /// The one of the system.
    fn that_keeps_no_statements() -> Self {
        Self { path: "pgbouncer".into(), settings: "", env: &[UNPREPARED] }
    }

    fn that_keeps_statements() -> Self {
        let path = std::env::var_os(NEWER).expect("FIREMODE_TEST_PGBOUNCER names pgbouncer 1.21 or later");
        Self { path, settings: "max_prepared_statements = 200\n", env: &[] }
    }
}

/// A pooler in front of a server. Dropping it stops it.
struct Pooler {
    process: Child,
    sockets: Folder,
}

impl Pooler {
    fn start(program: &Program, data: &Data, server: &Folder) -> Self {
        let sockets = Folder::new();
        data.give(sockets.path());
        let (own, server) = (sockets.path().display(), server.path().display());
        let file = sockets.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\nfiremode = host={server} port={PORT} dbname=firemode user=firemode\n\
             [pgbouncer]\nunix_socket_dir = {own}\nlisten_port = {PORT}\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {POOL_SIZE}\nmax_client_conn = 500\n{}",
            program.settings
        );
        fs::write(&file, settings).unwrap();
        let owner = fs::metadata(&data.path).unwrap();
        let mut pooler = Command::new(&program.path);
        pooler.arg(&file).env("PATH", "/usr/sbin:/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin");
        pooler.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        if nix::unistd::geteuid().is_root() {
            pooler.uid(owner.uid()).gid(owner.gid());
        }
        let process = pooler.spawn().expect("these tests need pgbouncer, which ./run.sh test installs");
        let pooler = Self { process, sockets };
        eventually("the pooler answers", || Sql::try_connect(&pooler.url()).ok());
        pooler
    }

    fn url(&self) -> String {
        let folder = self.sockets.path().to_str().unwrap().replace('/', "%2F");
        format!("postgresql://firemode@{folder}:{PORT}/firemode")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGINT);
        let _ = self.process.wait();
    }
}

/// A server, and a pooler in front of it.
struct Pooled {
    data: Data,
    postgres: Postgres,
    sockets: Folder,
    pooler: Pooler,
    program: Program,
}

impl Pooled {
    fn start(program: Program) -> Self {
        let (data, sockets) = (Data::of_a_stack(), Folder::new());
        let postgres = Postgres::start(&data, &sockets, PORT, &[]);
        let pooler = Pooler::start(&program, &data, &sockets);
        Self { data, postgres, sockets, pooler, program }
    }

    fn migrate(&self, env: &[(&str, &str)]) -> Output {
        let url = self.pooler.url();
        command(self.data.folder.path())
            .arg("migrate")
            .env("DATABASE_URL", url)
            .envs(env.to_vec())
            .output()
            .unwrap()
    }

    /// An appliance behind the pooler.
    fn appliance(&self) -> Stack {
        let url = self.pooler.url();
        let keys = self.data.folder.keys();
        let keys = keys.iter().map(|(variable, key)| (*variable, key.as_str()));
        let env: Vec<_> =
            keys.chain([("DATABASE_URL", url.as_str())]).chain(self.program.env.iter().copied()).collect();
        Stack::launch(&Folder::new(), &env)
    }
}

#[test]
fn a_pooler_that_keeps_no_statements_is_refused_by_the_settings_name() {
    let pooled = Pooled::start(Program::that_keeps_no_statements());
    let output = pooled.migrate(&[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("database.prepared_statements"), "{text}");
    let doctor = command(Folder::new().path())
        .arg("doctor")
        .env("DATABASE_URL", pooled.pooler.url())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&doctor.stdout);
    let pooler = text.lines().find(|line| line.contains("pooler")).unwrap_or_default();
    assert!(pooler.starts_with("WRONG") && pooler.contains("database.prepared_statements"), "{text}");
    let output = pooled.migrate(&[UNPREPARED]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Straight to the database there is nothing to refuse.
    let direct = format!("host={} port={PORT}", pooled.sockets.path().display());
    assert!(Sql::try_connect(&format!("{direct} user=firemode dbname=firemode")).is_ok());
    let folder = pooled.sockets.path().to_str().unwrap().replace('/', "%2F");
    let direct = format!("postgresql://firemode@{folder}:{PORT}/firemode");
    let output = pooled.migrate(&[UNPREPARED, ("DATABASE_MIGRATION_URL", &direct)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let nowhere = "postgresql://firemode@127.0.0.1:1/firemode";
    assert_eq!(pooled.migrate(&[UNPREPARED, ("DATABASE_MIGRATION_URL", nowhere)]).status.code(), Some(1));
}

#[test]
fn three_appliances_behind_a_pooler_start_serve_and_leave_no_lock() {
    three_appliances_serve(Program::that_keeps_no_statements());
}

/// Built from its source, for example: `FIREMODE_TEST_PGBOUNCER=/opt/pgbouncer/bin/pgbouncer`.
#[test]
#[ignore = "needs pgbouncer 1.21 or later, named by FIREMODE_TEST_PGBOUNCER"]
fn behind_a_pooler_that_keeps_statements_nothing_has_to_be_set() {
    three_appliances_serve(Program::that_keeps_statements());
}

fn three_appliances_serve(program: Program) {
    let pooled = Pooled::start(program);
    let stacks: Vec<Stack> = (0..3).map(|_| pooled.appliance()).collect();
    stacks.iter().for_each(Stack::wait_until_ready);
    for stack in &stacks {
        let site = Site::on(stack);
        for round in 0..10 {
            let path = format!("{}/remarks", site.items[0]);
            let answer = site.send(&json!({"changes": [operation("tablet", "append", &path, json!(round))]}));
            assert_eq!(answer.expect(200)["accepted"], 1);
        }
        assert_eq!(site.item(&site.items[0])["remarks"].as_array().map(Vec::len), Some(10));
        let output = command(stack.folder().path()).arg("reload").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{}", stack.logs().about("migrate"));
        new_building(&site.admin);
    }
    let sql = pooled.postgres.sql();
    let left = "select (select count(*) from pg_locks where locktype = 'advisory')
                     + (select count(*) from pg_stat_activity where state like 'idle in transaction%')";
    eventually("no lock and no transaction is left", || (sql.count(left, &[]) == 0).then_some(()));
}

/// Somebody puts the pooler between an appliance and its database while that serves: statements are unknown then, or there already.
#[test]
fn a_pooler_that_moves_in_while_serving_loses_nothing_and_gives_no_500() {
    let (data, sockets) = (Data::of_a_stack(), Folder::new());
    let _postgres = Postgres::start(&data, &sockets, PORT, &[]);
    let relay = Relay::to_database(sockets.path());
    let stack = Stack::start_in(&data.folder, &[("DATABASE_URL", &relay.database_url())]);
    let site = Site::on(&stack);
    let path = format!("{}/remarks", site.items[0]);
    let send = |round: usize| {
        let key = new_key();
        let body = json!({"changes": [operation("tablet", "append", &path, json!(round))]});
        let taken = within(Duration::from_secs(30), || {
            let answer = site.admin.request("POST", &site.session("/results")).key(&key).json(&body).send();
            assert!([200, 409, 503].contains(&answer.status), "{}: {}", answer.status, answer.json);
            (answer.status == 200).then_some(())
        });
        assert!(taken.is_some(), "{round} is taken in the end: {}", stack.logs().about("statement"));
    };
    (0..20).for_each(send);
    let pooler = Pooler::start(&Program::that_keeps_no_statements(), &data, &sockets);
    relay.point_at(pooler.sockets.path());
    relay.forget_connections();
    (20..60).for_each(send);
    let read = || Some(site.admin.get(&site.session(""))).filter(|answer| answer.status == 200);
    let session = eventually("the session can be read", read);
    let remarks =
        session["document"]["items"][&site.items[0]]["remarks"].as_array().cloned().unwrap_or_default();
    assert_eq!(remarks, (0..60).map(|round| json!(round)).collect::<Vec<_>>(), "each of them once");
}
