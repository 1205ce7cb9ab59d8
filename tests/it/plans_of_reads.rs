//! What the database has to read for a page is a small multiple of what the page has, whatever the page is narrowed to, however far back
//! it is, and whatever PostgreSQL knows of its tables just then. Which lists there are, and what they can be narrowed to, the API says itself.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::organisation::uuid;
use crate::support::plan_mode::{CUSTOM, GENERIC};
use crate::support::site::operation;
use crate::support::{Answer, Organisation, Site, Sql, Stack, eventually};

const TABLES: [&str; 17] = [
    "assets",
    "audit_log",
    "buildings",
    "defect_acts",
    "defect_versions",
    "defects",
    "evidence",
    "item_observations",
    "late_changes",
    "measures",
    "session_changes",
    "session_copies",
    "session_reviews",
    "session_summaries",
    "test_sessions",
    "user_details",
    "users",
];

/// Rows of each kind in the organisation.
const ROWS: i64 = 20_000;

const LIMIT: usize = 20;

/// For each row of a page one of another table, and some for who asks; none of the bounds comes near to a table.
const ROWS_READ_MAX: i64 = 6 * LIMIT as i64;

/// What was known at a moment stands in versions, and whoever made each is named.
const ROWS_READ_OF_HISTORY_MAX: i64 = 10 * LIMIT as i64;

/// Words are looked for in each building of the organisation, until a page is full.
const ROWS_READ_BY_SEARCH_MAX: i64 = ROWS + ROWS_READ_MAX;

/// The feed looks first whether little has changed.
const ROWS_READ_BY_FEED_MAX: i64 = 2_000 + ROWS_READ_MAX;

/// Text is looked for in what the other filters leave: no index knows it.
const TEXT: &str = "q";

struct Party {
    site: Site,
    defect_id: String,
    /// A place in the feed from before all of it.
    since: String,
    _stack: Stack,
}

impl Party {
    fn beside(first: &Stack, mode: &str) -> Self {
        let stack = first.beside_planning(mode, &[("FIREMODE__RATE_LIMIT__ENABLED", "false")]);
        let site = Site::of(Organisation::register(&stack));
        let since = site.admin.get("/v1/tests/sessions/changes?since=now").expect(200).text("/since");
        let defect =
            crate::defect_acts::open(&site.admin, &site.building_id, "non_conformance").expect(201).id();
        for note in ["still", "still there"] {
            let path = format!("/v1/defects/{defect}/observations");
            site.admin.post(&path, &json!({"note": note})).expect(201);
        }
        Self { site, defect_id: defect, since, _stack: stack }
    }

    /// A few rows of everything that is rare, then many of everything.
    fn grow(&self, sql: &Sql) {
        let (organisation_id, user_id) = (self.site.organisation.id, self.site.organisation.user_id);
        let (building_id, session_id) = (uuid(&self.site.building_id), uuid(&self.site.session_id));
        for part in 0..3 {
            let set = |number: usize| {
                let path = format!("{}/notes", self.site.items[0]);
                operation(&format!("tablet-{}", number % 2), "set", &path, json!(part * 1_000 + number))
            };
            self.site.send(&json!({"changes": (0..1_000).map(set).collect::<Vec<_>>()})).expect(200);
        }
        let of_organisation: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&organisation_id, &ROWS];
        sql.rows(
            "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role, is_active, created_at)
             select gen_random_uuid(), $1, gen_random_uuid() || '@example.org', 'x', 'x',
                    case when n < 4 then 'auditor' else 'technician' end, n > 8, now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &of_organisation,
        );
        sql.rows(
            "insert into buildings (id, organisation_id, site_name, site_address, is_active, created_at)
             select gen_random_uuid(), $1, 'x', n::text, n < $2 - 30, now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &of_organisation,
        );
        let measure_id = uuid::Uuid::now_v7();
        sql.rows(
            "insert into measures (id, organisation_id, building_id, name, standard_of_performance, maintenance_standard, created_at)
             select case when n = $2 then $4::uuid else gen_random_uuid() end, $1, $3, 'x', 'x', 'x', now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &[&organisation_id, &ROWS, &building_id, &measure_id],
        );
        sql.rows(
            "insert into assets (id, organisation_id, building_id, item_code, section, label, location, is_active, measure_id, created_at)
             select gen_random_uuid(), $1, $3, 'X', 2, 'x', 'x', n < $2 - 30, case when n > $2 - 30 then $4::uuid end,
                    now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &[&organisation_id, &ROWS, &building_id, &measure_id],
        );
        // The first sessions were made by somebody else, in another building, and came to another end.
        let other = sql.rows(
            "select id from buildings where organisation_id = $1 and id <> $2 limit 1",
            &[&organisation_id, &building_id],
        );
        let other: uuid::Uuid = other[0].get(0);
        sql.rows(
            "insert into test_sessions (id, organisation_id, building_id, name, status, technician_id, created_by, created_at)
             select gen_random_uuid(), $1, case when n > $2 - 30 then $5::uuid else $3::uuid end, 'x',
                    case when n > $2 - 30 then 'cancelled' else 'completed' end,
                    case when n > $2 - 30 then $4::uuid end, $4, now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &[&organisation_id, &ROWS, &building_id, &user_id, &other],
        );
        self.grow_defects(sql, other);
        // In some of these, late work waits.
        sql.rows(
            "insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, instance_id)
             select s.id, $1, sha256(s.id::text::bytea), 'x', 2, 1, '{}', 'x', $3, s.id
             from test_sessions s where s.organisation_id = $1 and s.building_id = $2 order by s.id limit 12",
            &[&organisation_id, &other, &user_id],
        );
        sql.rows(
            "insert into late_changes (session_id, organisation_id, hash)
             select s.id, $1, sha256(s.id::text::bytea) from test_sessions s where s.organisation_id = $1 and s.building_id = $2 order by s.id limit 12",
            &[&organisation_id, &other],
        );
        sql.rows(
            "insert into session_summaries (session_id, organisation_id, format, lineage, read_up_to, change_count, summary)
             select s.id, s.organisation_id, m.format, m.lineage, pg_current_snapshot()::text, 0, m.summary
             from test_sessions s, session_summaries m
             where s.organisation_id = $1 and m.session_id = $2 and s.id <> $2",
            &[&organisation_id, &session_id],
        );
        sql.rows(
            "insert into evidence_blobs (organisation_id, sha256, size_bytes, storage_key) values ($1::uuid, sha256('x'), 1, $1::uuid::text || 'x')",
            &[&organisation_id],
        );
        sql.rows(
            "insert into evidence (organisation_id, id, session_id, item_id, evidence_type, sha256, content_type, uploaded_by, status,
                                   created_at)
             select $1, gen_random_uuid(), $3, case when n > $2 - 30 then 'rare' else 'x' end, 'photo', sha256('x'), 'image/png', $4,
                    case when n > $2 - 30 then 'flagged' else 'verified' end, now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &[&organisation_id, &ROWS, &session_id, &user_id],
        );
        // That of the first sessions is older than all other.
        sql.rows(
            "insert into evidence (organisation_id, id, session_id, evidence_type, sha256, content_type, uploaded_by, created_at)
             select $1, gen_random_uuid(), s.id, 'photo', sha256('x'), 'image/png', $3, s.created_at - interval '1 year'
             from test_sessions s where s.organisation_id = $1 and s.building_id = $2",
            &[&organisation_id, &other, &user_id],
        );
        sql.rows(
            "insert into audit_log (id, organisation_id, user_id, action, resource_type, resource_id, status, transaction_id, leaf,
                                    leaf_hash, created_at)
             select gen_random_uuid(), $1, case when n > $2 - 30 then $3::uuid end,
                    case when n > $2 - 30 then 'rare.act' else 'results.accept' end,
                    case when n > $2 - 30 then 'rarity' else 'session' end,
                    case when n > $2 - 30 then 'rare' else gen_random_uuid()::text end,
                    case when n > $2 - 30 then 'failure' else 'success' end,
                    gen_random_uuid(), 'x', sha256('\\x00'::bytea || 'x'::bytea), now() - (n || ' minutes')::interval
             from generate_series(1, $2::int8) n",
            &[&organisation_id, &ROWS, &user_id],
        );
    }

    fn grow_defects(&self, sql: &Sql, other_building: uuid::Uuid) {
        let (organisation_id, user_id) = (self.site.organisation.id, self.site.organisation.user_id);
        let building_id = uuid(&self.site.building_id);
        sql.rows(
            "with made as (
                 insert into defects (id, organisation_id, number, building_id, subject_id, from_history)
                 select gen_random_uuid(), $1, n + 100, case when n > $2 - 30 then $5::uuid else $3::uuid end, gen_random_uuid(),
                        n > $2 - 30
                 from generate_series(1, $2::int8) n returning *
             )
             insert into defect_versions (organisation_id, defect_id, known_from, building_id, subject_id, source, classification,
                                          is_overridden, description, section, status, provisional, assigned_to, opened_at, observed_at,
                                          received_at, clock_suspect, local_date, observations, observation_ids, passes_since,
                                          needs_review, interim_measures, evidence, metadata)
             select organisation_id, id, now() - minutes, building_id, subject_id, 'manual',
                    case when is_rare then 'critical_defect' else 'non_conformance' end, false, 'x', case when is_rare then 3 else 10 end,
                    case when is_rare then 'withdrawn' else 'open' end, false, case when is_rare then $4::uuid end, now() - minutes,
                    now() - minutes, now() - minutes, false, now()::date, 0, '{}', 0, is_rare, '[]', '{}', '{}'
             from (select *, make_interval(mins => number::int) as minutes, number > $2 + 70 as is_rare from made) d",
            &[&organisation_id, &ROWS, &building_id, &user_id, &other_building],
        );
        sql.batch("update projection_place set history_until = now() - make_interval(mins => 20000)");
        sql.rows(
            "insert into session_reviews (session_id, organisation_id, lineage, read_up_to, needs_review, has_held, held, quarantined, late)
             select id, organisation_id, '', '1:1:', status = 'cancelled', status = 'cancelled', 0, 0, 0
             from test_sessions where organisation_id = $1
             on conflict (session_id) do update set needs_review = excluded.needs_review, has_held = excluded.has_held",
            &[&organisation_id],
        );
    }

    fn measure_of_the_oldest_assets(&self) -> String {
        let path = format!("/v1/buildings/{}/assets?is_active=false&limit=30", self.site.building_id);
        let assets = self.site.admin.get(&path).expect(200);
        assets.data().iter().find_map(|asset| asset["measure_id"].as_str()).unwrap().to_owned()
    }

    fn building_of_the_oldest_session(&self) -> String {
        let sessions = self.site.admin.get("/v1/tests/sessions?status=cancelled&limit=1").expect(200);
        sessions.text("/data/0/building_id")
    }

    /// What a request would narrow a list to by a parameter of it: to what is rare, and lies far back.
    fn values(&self, parameter: &str) -> Vec<String> {
        let site = &self.site;
        let value = match parameter {
            "status" => {
                return ["failure", "flagged", "cancelled", "cancelled&status=active", "withdrawn"]
                    .map(str::to_owned)
                    .into();
            }
            "is_active" => return ["true", "false"].map(str::to_owned).into(),
            "needs_review" | "has_held" | "from_history" => "true".to_owned(),
            "section" => "3".to_owned(),
            "classification" => "critical_defect".to_owned(),
            "age_days_min" => "13".to_owned(),
            "age_days_max" => "1".to_owned(),
            "sort" => "age".to_owned(),
            "as_of" => "2100-01-01T00:00:00Z".to_owned(),
            "role" => "auditor".to_owned(),
            "measure_id" => self.measure_of_the_oldest_assets(),
            "building_id" => return vec![site.building_id.clone(), self.building_of_the_oldest_session()],
            "has_late" | "flagged" => return ["true", "false"].map(str::to_owned).into(),
            "session_id" => site.session_id.clone(),
            "q" => "19999".to_owned(),
            "technician_id" | "user_id" | "assigned_to" => site.organisation.user_id.to_string(),
            "item_id" | "resource_id" => "rare".to_owned(),
            "action" => "rare.act".to_owned(),
            "resource_type" => "rarity".to_owned(),
            "date_from" => "2020-01-01T00:00:00Z".to_owned(),
            "date_to" => "2026-11-25T00:00:00Z".to_owned(),
            "actor" => site.read()["vector_clock"].as_object().unwrap().keys().next().unwrap().clone(),
            "since" => self.since.clone(),
            other => panic!("say which value of {other} this test is to narrow a list to"),
        };
        vec![value]
    }

    /// The first pages of all lists there are, as they are and narrowed by each of their parameters.
    fn pages(&self) -> Vec<String> {
        let document = self.site.admin.get("/openapi.json").expect(200);
        let mut pages = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let parameters = operations["get"]["parameters"].as_array().cloned().unwrap_or_default();
            let named = |place: &str| {
                let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
                of_place
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect::<Vec<String>>()
            };
            let filters = named("query");
            // A job is its own kind of list, rules are made by hand, and the list of baselines says something of the whole building.
            let others = ["/v1/jobs", "/v1/rules", "/v1/buildings/{building_id}/baseline"];
            let is_of_others = others.iter().any(|other| path.starts_with(other));
            if !filters.contains(&"limit".to_owned()) || is_of_others {
                continue;
            }
            let site = &self.site;
            let path =
                path.replace("{session_id}", &site.session_id).replace("{building_id}", &site.building_id);
            let path = path.replace("{asset_id}", &site.items[0]).replace("{defect_id}", &self.defect_id);
            pages.push(format!("{path}?limit={LIMIT}"));
            for filter in filters.iter().filter(|name| !["limit", "cursor", TEXT].contains(&name.as_str())) {
                pages.extend(
                    self.values(filter).iter().map(|value| format!("{path}?limit={LIMIT}&{filter}={value}")),
                );
            }
        }
        assert!(pages.len() > 20, "{pages:?}");
        pages
    }

    fn get(&self, page: &str) -> Option<Answer> {
        // Connections were ended, which a request may be the first to notice.
        let get = || Some(self.site.admin.get(page)).filter(|answer| answer.status != 503);
        // A value of one list's statuses is none of another's.
        let answer = eventually("the page is read", get);
        (answer.status != 422).then(|| answer.expect(200))
    }

    /// Rows that everybody reads while a page is made.
    fn rows_read_for(&self, sql: &Sql, page: &str) -> BTreeMap<String, i64> {
        sql.end_connections();
        let before = sql.rows_read(&TABLES);
        self.get(page);
        sql.end_connections();
        let mut read = sql.rows_read(&TABLES);
        read.iter_mut().for_each(|(table, rows)| *rows -= before[table]);
        read
    }

    fn check_pages(&self, sql: &Sql, statistics: &str) {
        let mut wrong = Vec::new();
        for first in self.pages() {
            let Some(answer) = self.get(&first) else { continue };
            let next = answer["next_cursor"].as_str().map(|cursor| {
                let without_since = first.split("&since=").next().unwrap();
                format!("{without_since}&cursor={cursor}")
            });
            for page in [Some(first), next].into_iter().flatten() {
                // Documents that a page needs are in memory by now.
                self.get(&page);
                let most = match () {
                    () if page.contains("/changes?") => ROWS_READ_BY_FEED_MAX,
                    () if page.contains("&q=") => ROWS_READ_BY_SEARCH_MAX,
                    () if page.contains("from_history=") => ROWS_READ_OF_HISTORY_MAX,
                    () => ROWS_READ_MAX,
                };
                // The worker reads too, now and then.
                let is_little = |read: &BTreeMap<String, i64>| read.values().sum::<i64>() <= most;
                let mut read = self.rows_read_for(sql, &page);
                for _ in 0..2 {
                    if !is_little(&read) {
                        read = self.rows_read_for(sql, &page);
                    }
                }
                if !is_little(&read) {
                    wrong.push(format!("{page}: {read:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "with {statistics} statistics these read too much:\n{}", wrong.join("\n"));
    }
}

fn check(mode: &str, preparation: &str) {
    let first = Stack::start(&[]);
    let sql = first.sql();
    for table in TABLES {
        sql.batch(&format!("alter table {table} set (autovacuum_enabled = off)"));
    }
    let party = Party::beside(&first, mode);
    sql.batch(preparation);
    party.grow(&sql);
    // Copies are kept behind those who write.
    let copied = "select count(*) from session_copies where organisation_id = $1 and change_count > 2900";
    eventually("a copy is kept", || (sql.count(copied, &[&party.site.organisation.id]) > 0).then_some(()));
    party.check_pages(&sql, "early");
    sql.batch("analyze");
    party.check_pages(&sql, "right");
}

#[test]
fn pages_read_little_before_tables_were_looked_at() {
    check(CUSTOM, "select 1");
}

#[test]
fn pages_read_little_by_plans_for_all_calls() {
    check(GENERIC, "select 1");
}

#[test]
fn pages_read_little_when_tables_have_grown_since_they_were_looked_at() {
    check(CUSTOM, "analyze");
}

#[test]
fn pages_read_little_by_plans_for_all_calls_when_tables_have_grown() {
    check(GENERIC, "analyze");
}
