//! Workers that work the same sessions out at the same moment, some of which are dropped anywhere, while devices write and people act.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use firemode_domain::defect::{Deed, DefectClass, DefectStatus, Transition};
use firemode_domain::document::{ActorId, Entry, ItemSeed, Limits, SessionDocument, WriterContext};
use firemode_domain::input;
use firemode_domain::session::LateDecision;
use firemode_runtime::process_id::ProcessId;
use firemode_storage::changes::{self, Arrival, NewChange, Origin};
use firemode_storage::defects;
use firemode_storage::defects::acts::{self, NewAct};
use firemode_storage::observed::{self, Depth, Rebuilt};
use futures_util::future::{join, join_all};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::server::Server;

const INSTANCES: usize = 3;
const SESSIONS: usize = 3;
const DEVICES: [&str; 5] = ["phone", "tablet", "watch", "laptop", "kiosk"];
const CONDITIONS: [&str; 3] = ["pressure_low", "baseline_missing", "no_such_condition"];

/// So often may a worker wait before it is dropped: that many times it does to work three sessions out.
const WAITS_MAX: usize = 60;

/// Everything that follows, but for numbers and what says who wrote a row when.
const ALL: &str = "
    select coalesce(jsonb_agg(row order by row), '[]') from (
        select to_jsonb(v) - 'created_xid' as row from defect_versions v where organisation_id = $1
        union all select to_jsonb(o) - 'created_xid' from item_observations o where organisation_id = $1
        union all select to_jsonb(p) from item_passes p where organisation_id = $1
        union all select to_jsonb(d) - array['number', 'created_xid', 'created_at', 'from_history']
                  from defects d where organisation_id = $1
    ) rows";

/// What was known at a moment, but for how long.
const KNOWN: &str = "
    select coalesce(jsonb_agg(row order by row), '[]') from (
        select to_jsonb(v) - array['created_xid', 'known_to'] as row, known_from, known_to from defect_versions v where organisation_id = $1
        union all select to_jsonb(o) - array['created_xid', 'known_to'], known_from, known_to
                  from item_observations o where organisation_id = $1
    ) rows where known_from <= $2 and (known_to is null or known_to > $2)";

/// What a device writes.
#[derive(Debug, Clone)]
struct Write {
    session: usize,
    device: usize,
    item: usize,
    kind: u8,
    number: usize,
    /// With the clock of an earlier write.
    seen: usize,
}

/// What happens next, in one transaction each.
#[derive(Debug, Clone)]
enum Step {
    /// The next of the changes arrive, in an order of their own.
    Arrive {
        changes: usize,
        is_late: bool,
    },
    /// One that is there arrives again.
    Repeat {
        change: usize,
    },
    Decide {
        session: usize,
        decision: LateDecision,
    },
    SetStatus {
        session: usize,
        status: &'static str,
    },
    Act {
        defect: usize,
        kind: u8,
    },
}

fn write() -> impl Strategy<Value = Write> {
    (0..SESSIONS, 0..DEVICES.len(), 0..3_usize, 0..8_u8, 0..3_usize, 0..12_usize).prop_map(
        |(session, device, item, kind, number, seen)| Write { session, device, item, kind, number, seen },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let decision = prop_oneof![Just(LateDecision::Accept), Just(LateDecision::Reject)];
    let status = prop_oneof![Just("cancelled"), Just("completed"), Just("active")];
    prop_oneof![
        8 => (1..4_usize, 0..6_u8).prop_map(|(changes, late)| Step::Arrive { changes, is_late: late == 0 }),
        1 => (0..64_usize).prop_map(|change| Step::Repeat { change }),
        1 => (0..SESSIONS, decision).prop_map(|(session, decision)| Step::Decide { session, decision }),
        1 => (0..SESSIONS, status).prop_map(|(session, status)| Step::SetStatus { session, status }),
        3 => (0..8_usize, 0..7_u8).prop_map(|(defect, kind)| Step::Act { defect, kind }),
    ]
}

/// An organisation with a building, assets, sessions, and what is on its way to them.
struct World<'a> {
    server: &'a Server,
    organisation_id: Uuid,
    user_id: Uuid,
    building_id: Uuid,
    sessions: Vec<Uuid>,
    arrivals: Vec<Arrival>,
}

impl<'a> World<'a> {
    fn new(server: &'a Server, writes: &[Write], order: &[usize]) -> Self {
        let organisation_id = server.organisation();
        let [user_id, building_id, first, second] = std::array::from_fn(|_| Uuid::now_v7());
        let sessions: Vec<Uuid> = (0..SESSIONS).map(|_| Uuid::now_v7()).collect();
        server.rows(
            "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
             values ($2, $1, $2::uuid || '@example.org', 'x', 'x', 'admin')",
            &[&organisation_id, &user_id],
        );
        server.rows(
            "insert into buildings (id, organisation_id, site_name, site_address) values ($2, $1, 'x', 'x')",
            &[&organisation_id, &building_id],
        );
        server.rows(
            "insert into assets (id, organisation_id, building_id, item_code, section, label, location)
             select id, $1, $2, 'EXT-PRESSURE', 10, 'x', 'x' from unnest($3::uuid[]) as id",
            &[&organisation_id, &building_id, &[first, second].as_slice()],
        );
        server.rows(
            "insert into test_sessions (id, organisation_id, building_id, name, created_by)
             select id, $1, $2, 'x', $3 from unnest($4::uuid[]) as id",
            &[&organisation_id, &building_id, &user_id, &sessions],
        );
        // The last one is of no asset.
        let items = [first.to_string(), second.to_string(), "gate".to_owned()];
        let mut world =
            Self { server, organisation_id, user_id, building_id, sessions, arrivals: Vec::new() };
        for session in 0..SESSIONS {
            let writes = writes.iter().filter(|write| write.session == session);
            world.play(world.sessions[session], &items, writes);
        }
        // Changes come in any order, so that some are held until others come, among them the one that makes the items.
        for (place, other) in order.iter().enumerate().take(world.arrivals.len()) {
            let other = other % world.arrivals.len();
            world.arrivals.swap(place, other);
        }
        world
    }

    /// Adds the changes of a session to what is on its way.
    fn play<'w>(&mut self, session_id: Uuid, items: &[String; 3], writes: impl Iterator<Item = &'w Write>) {
        let seed = |item_id: &String| ItemSeed {
            item_id: item_id.clone(),
            asset_id: item_id.parse::<Uuid>().ok().map(|id| id.to_string()),
            item_code: Some("EXT-PRESSURE".to_owned()),
            ..ItemSeed::default()
        };
        let (now, seeds) = (OffsetDateTime::now_utc(), items.each_ref().map(seed));
        let creation = SessionDocument::creation_change(&actor("server"), &seeds, now).unwrap();
        let mut document = SessionDocument::empty();
        document.integrate([creation.recorded(self.user_id, now)]);
        let mut clocks = vec![document.vector_clock()];
        let mut made = vec![creation];
        for write in writes {
            let seen = clocks[write.seen.min(clocks.len() - 1)].clone();
            let mut writer =
                WriterContext { user_id: self.user_id, new_actor: &mut actor, may_go_on_with: &|_| true };
            let entry = entry(write, &items[write.item], &items[0]);
            let prepared = document.prepare(vec![entry], Some(&seen), &mut writer, &Limits::default());
            let Ok(prepared) = prepared else { continue };
            document.adopt(&prepared, now);
            clocks.push(document.vector_clock());
            made.extend(prepared.changes);
        }
        let origin = Origin {
            organisation_id: self.organisation_id,
            session_id,
            user_id: self.user_id,
            process_id: ProcessId::of_new_process(),
        };
        self.arrivals.extend(made.iter().map(|change| Arrival {
            origin,
            change: NewChange::of(change, Vec::new()),
            is_late: false,
        }));
    }

    /// Does these steps, of which one instance does each third. No more changes arrive than so many.
    async fn do_steps(&self, steps: &[Step], arrived: &AtomicUsize, changes_max: usize, instance: usize) {
        for step in steps.iter().skip(instance).step_by(INSTANCES) {
            match step {
                Step::Arrive { changes, is_late } => {
                    let from = arrived.fetch_add(*changes, Ordering::SeqCst);
                    let next = self.arrivals[..changes_max].iter().skip(from).take(*changes).cloned();
                    self.arrive(next.map(|arrival| Arrival { is_late: *is_late, ..arrival }).collect()).await;
                }
                Step::Repeat { change } => {
                    let count = arrived.load(Ordering::SeqCst).min(changes_max);
                    if count > 0 {
                        self.arrive(vec![self.arrivals[change % count].clone()]).await;
                    }
                }
                Step::Decide { session, decision } => {
                    let tx = self.server.database.tenant(self.organisation_id).transaction().await.unwrap();
                    let (organisation_id, session_id) = (self.organisation_id, self.sessions[*session]);
                    changes::decide_late(&tx, organisation_id, session_id, self.user_id, *decision)
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                }
                Step::SetStatus { session, status } => {
                    let sql = "update test_sessions set status = $2 where id = $1";
                    self.server.query(sql, &[&self.sessions[*session], status]).await;
                }
                Step::Act { defect, kind } => self.act(*defect, *kind).await,
            }
        }
    }

    async fn arrive(&self, arrivals: Vec<Arrival>) {
        let tx = self.server.database.tenant(self.organisation_id).transaction().await.unwrap();
        changes::insert_all(&tx, arrivals).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a person does about a defect, where there is one, as the API does it.
    async fn act(&self, defect: usize, kind: u8) {
        let organisation_id = self.organisation_id;
        let sql = "select id, subject_id from defects where organisation_id = $1 order by id";
        let known = self.server.query(sql, &[&organisation_id]).await;
        let Some(row) = known.get(defect % known.len().max(1)) else { return };
        let (defect_id, subject_id): (Uuid, Uuid) = (row.get(0), row.get(1));
        let tx = self.server.database.tenant(organisation_id).transaction().await.unwrap();
        defects::lock_subject(&tx, organisation_id, subject_id).await.unwrap();
        let act = NewAct {
            id: Uuid::now_v7(),
            organisation_id,
            defect_id,
            subject_id,
            building_id: self.building_id,
            user_id: self.user_id,
            at: OffsetDateTime::now_utc(),
            deed: &deed(kind),
        };
        acts::record(&tx, &act).await.unwrap();
        defects::refold(&tx, organisation_id, subject_id).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Works some of the sessions out again and again, now and then not to the end. Gives how often it was dropped.
    async fn follow(&self, mut random: u64, is_over: &AtomicBool) -> usize {
        let (mut dropped, mut rounds) = (0, 0);
        while rounds < 3 || !is_over.load(Ordering::SeqCst) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = usize::try_from(random >> 33).unwrap();
            let some = self.sessions.iter().enumerate().filter(|(place, _)| drawn >> place & 1 == 1);
            let some = some.map(|(_, session_id)| *session_id).collect();
            let waits = if drawn >> 3 & 3 == 0 { usize::MAX } else { (drawn >> 5) % WAITS_MAX };
            dropped += usize::from(up_to(waits, self.work_out(some)).await.is_none());
            rounds += 1;
        }
        dropped
    }

    /// Does steps while three workers follow. What of these changes has not arrived then comes at once, and the workers share the sessions
    /// among them. Gives how often one was dropped.
    fn together(&self, steps: &[Step], these: Range<usize>, seed: u64) -> usize {
        let (is_over, arrived) = (AtomicBool::new(false), AtomicUsize::new(these.start));
        let middle = these.start.midpoint(these.end);
        self.server.runtime.block_on(async {
            let instances = (0..INSTANCES).map(|instance| self.do_steps(steps, &arrived, middle, instance));
            let writing = async {
                join_all(instances).await;
                is_over.store(true, Ordering::SeqCst);
            };
            let following = (0..INSTANCES as u64).map(|instance| self.follow(seed ^ instance, &is_over));
            let ((), dropped) = join(writing, join_all(following)).await;
            let rest = arrived.load(Ordering::SeqCst).min(middle)..these.end;
            self.arrive(self.arrivals[rest].to_vec()).await;
            join_all(self.sessions.iter().map(|session_id| self.work_out(BTreeSet::from([*session_id]))))
                .await;
            dropped.into_iter().sum()
        })
    }

    async fn work_out(&self, sessions: BTreeSet<Uuid>) {
        let tx = self.server.database.tenant(self.organisation_id).transaction().await.unwrap();
        observed::project(tx, self.organisation_id, &sessions, Depth::Changed).await.unwrap();
    }

    fn all(&self) -> Value {
        self.server.rows(ALL, &[&self.organisation_id])[0].get(0)
    }

    fn known(&self, at: OffsetDateTime) -> Value {
        self.server.rows(KNOWN, &[&self.organisation_id, &at])[0].get(0)
    }

    fn rebuild(&self) -> Rebuilt {
        self.server.runtime.block_on(observed::rebuild(&self.server.database)).unwrap()
    }
}

/// Waits for something, but no more than so often: then it is dropped where it is.
async fn up_to<F: Future>(waits: usize, future: F) -> Option<F::Output> {
    let (mut future, mut waited) = (pin!(future), 0);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

fn actor(device: &str) -> ActorId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&format!("{device:.<6}").as_bytes()[..6]);
    ActorId::from(bytes)
}

fn entry(write: &Write, item: &str, asset: &str) -> Entry {
    let path = |field: &str| format!("/items/{item}/{field}");
    let condition = CONDITIONS[write.number];
    let mut body = match write.kind {
        0 | 1 => json!({"op": "set", "path": path("outcome"), "value": "fail"}),
        2 => json!({"op": "set", "path": path("outcome"), "value": "pass"}),
        3 | 4 => json!({"op": "set", "path": path("observed_condition"), "value": condition}),
        5 => json!({"op": "set", "path": format!("/items/{item}"), "value": {
            "outcome": "fail", "observed_condition": condition, "item_code": "EXT-PRESSURE", "asset_id": asset}}),
        6 => json!({"op": "delete", "path": format!("/items/{item}")}),
        _ => json!({"op": "set", "path": path("measurements"), "value": {"only_in_area": write.number == 0}}),
    };
    body["actor_id"] = json!(DEVICES[write.device]);
    body["timestamp"] = json!("2026-11-20T10:00:00Z");
    input::read(body).unwrap()
}

fn deed(kind: u8) -> Deed {
    let to = match kind {
        0 | 1 => DefectStatus::Repaired,
        2 => DefectStatus::Acknowledged,
        3 => DefectStatus::Verified,
        4 => DefectStatus::Closed,
        5 => return Deed::Observe { note: None, evidence: Vec::new() },
        _ => {
            let classification = DefectClass::NonConformance;
            return Deed::Reclassify { classification, reason: "seen".to_owned() };
        }
    };
    let (reason, scheduled_for, until, accepted_by, evidence) = Default::default();
    Deed::Transition(Transition { to, reason, scheduled_for, until, accepted_by, evidence })
}

#[test]
fn several_workers_of_which_some_die_come_to_what_a_rebuild_gives_and_the_past_stays() {
    let server = Server::start();
    let dropped = AtomicUsize::new(0);
    let config = ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() };
    let steps = || prop::collection::vec(step(), 6..20);
    proptest!(config, |(
        writes in prop::collection::vec(write(), 6..30),
        order in prop::collection::vec(0..64_usize, 40),
        (before, after) in (steps(), steps()),
        seed in any::<u64>(),
    )| {
        let world = World::new(&server, &writes, &order);
        let (half, all) = (world.arrivals.len() / 2, world.arrivals.len());
        dropped.fetch_add(world.together(&before, 0..half, seed), Ordering::Relaxed);
        let then: OffsetDateTime = server.rows("select clock_timestamp()", &[])[0].get(0);
        let shown = world.known(then);
        dropped.fetch_add(world.together(&after, half..all, !seed), Ordering::Relaxed);
        prop_assert_eq!(world.known(then), shown, "what was shown then is what is known of then");

        let followed = world.all();
        prop_assert_eq!(world.rebuild().rows, 0);
        prop_assert_eq!(world.all(), followed.clone());
        for table in ["defect_versions", "defects", "item_observations", "item_passes"] {
            server.rows(&format!("delete from {table} where organisation_id = $1"), &[&world.organisation_id]);
        }
        prop_assert_eq!(world.rebuild().failed, []);
        prop_assert_eq!(world.all(), followed);
    });
    assert!(dropped.into_inner() > 0, "no worker was ever dropped");
}
