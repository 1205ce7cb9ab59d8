//! `GET /v1/exports/{kind}`: forms, who may have what, and what breaks off.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::site::{new_building, operation};
use crate::support::{Answer, Client, Organisation, Site, Sql, Stack, eventually};

const FEEDS: [&str; 6] = ["results", "items", "defects", "observations", "sessions", "audit"];

/// Rows of a page, and some on the next.
const MORE_THAN_A_PAGE: i64 = 2_345;

/// A feed that came to its end: its rows, and the token for the next time.
pub(crate) struct Feed {
    pub(crate) rows: Vec<Value>,
    pub(crate) next_since: String,
}

/// Reads a feed, and what its last line and its header say.
pub(crate) fn feed(client: &Client, path: &str) -> Feed {
    let answer = client.get(&format!("/v1/exports/{path}")).expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let mut rows = lines(&answer);
    let end = rows.pop().unwrap_or_else(|| panic!("{path} has no last line"));
    assert_eq!(end["rows"], rows.len(), "{end}");
    assert_eq!(end["next_since"], answer.header("next-since"));
    Feed { next_since: end["next_since"].as_str().unwrap().to_owned(), rows }
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn texts<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

/// More sessions than a page of an export has.
pub(crate) fn add_sessions(sql: &Sql, site: &Site, count: i64) {
    sql.rows(
        "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         select gen_random_uuid(), $1, $2::text::uuid, 'x', $3 from generate_series(1, $4::int8)",
        &[&site.organisation.id, &site.building_id, &site.organisation.user_id, &count],
    );
}

#[test]
fn each_feed_has_what_there_is_and_names_nobody() {
    let site = Site::new();
    let outcome = operation("tablet-7", "set", &format!("{}/outcome", site.items[0]), json!("fail"));
    site.send(&json!({"changes": [outcome]})).expect(200);
    let defect = eventually("the defect is there", || feed(&site.admin, "defects").rows.pop());
    let observation = &feed(&site.admin, "observations").rows[0];
    assert_eq!(defect["observation_ids"], json!([observation["id"]]));
    let read = site.admin.get(&format!("/v1/defects/{}", defect["id"].as_str().unwrap())).expect(200);
    for (field, value) in defect.as_object().unwrap() {
        if field != "observation_ids" && field != "is_removed" {
            assert_eq!(read[field.as_str()], *value, "{field}");
        }
    }
    assert_eq!(
        (&observation["session_id"], &observation["item_id"]),
        (&json!(site.session_id), &json!(site.items[0]))
    );
    assert_eq!((&observation["outcome"], &observation["is_removed"]), (&json!("fail"), &json!(false)));

    let items = feed(&site.admin, "items").rows;
    assert_eq!(items.len(), site.items.len());
    for item in &items {
        let is_failed = item["item_id"] == *site.items[0];
        assert_eq!(item["outcome"], if is_failed { "fail" } else { "not_tested" });
        assert_eq!((&item["session_id"], &item["asset_id"]), (&json!(site.session_id), &item["item_id"]));
    }

    let sessions = feed(&site.admin, "sessions").rows;
    assert_eq!(texts(&sessions, "id"), [&site.session_id]);
    assert_eq!((&sessions[0]["status"], &sessions[0]["name"]), (&json!("active"), &Value::Null));

    let history = site.admin.get(&site.session("/history")).expect(200);
    let results = feed(&site.admin, "results").rows;
    for row in history.data() {
        let mut row = row.clone();
        row["user_name"].take();
        let told = results.iter().find(|told| told["hash"] == row["hash"]).unwrap();
        for (field, value) in row.as_object().unwrap() {
            assert_eq!(told[field], *value, "{field} of {told}");
        }
        assert_eq!(told["session_id"], *site.session_id);
    }
    assert_eq!(results.len(), history.data().len());

    let audit = site.admin.get("/v1/audit?limit=100").expect(200);
    let mut told = feed(&site.admin, "audit").rows;
    assert_eq!(told.len(), audit.data().len());
    told.sort_by_key(|row| row["id"].to_string());
    let mut listed = audit.data().to_vec();
    listed.sort_by_key(|row| row["id"].to_string());
    for (told, listed) in told.iter().zip(&listed) {
        for field in ["id", "action", "actor", "resource", "status", "before", "after", "leaf_hash", "at"] {
            assert_eq!(told[field], listed[field], "{field}");
        }
        assert_eq!(told.get("actor_name"), None);
    }
    let all = FEEDS.map(|kind| json!(feed(&site.admin, kind).rows).to_string()).concat();
    for name in ["Ada Example", &site.organisation.email, "Harbour House"] {
        assert!(!all.contains(name), "{name} is in a feed");
    }
}

#[test]
fn a_feed_goes_on_over_pages_and_csv_has_the_same_rows() {
    let site = Site::new();
    add_sessions(&Stack::shared().sql(), &site, MORE_THAN_A_PAGE);
    let rows = feed(&site.admin, "sessions").rows;
    let mut ids = texts(&rows, "id");
    assert_eq!(ids.len() as i64, MORE_THAN_A_PAGE + 1);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, MORE_THAN_A_PAGE + 1);
    for csv in [
        site.admin.get("/v1/exports/sessions?format=csv").expect(200),
        site.admin
            .request("GET", "/v1/exports/sessions")
            .header("accept", "text/csv, */*")
            .send()
            .expect(200),
    ] {
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(csv.header("content-disposition"), "attachment; filename=\"sessions.csv\"");
        assert_ne!(csv.header("next-since"), "");
        let text = String::from_utf8(csv.body).unwrap();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(names[..3], ["id", "building_id", "status"]);
        let of_row = |row: &Value| {
            let cell = |name: &&str| match &row[*name] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            names.iter().map(cell).collect::<Vec<_>>().join(",")
        };
        assert_eq!(lines.collect::<Vec<_>>(), rows.iter().map(of_row).collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused_by_its_name() {
    let site = Site::new();
    let get = |path: &str| site.admin.get(&format!("/v1/exports/{path}"));
    for kind in ["users", "sessions.csv", "buildings", "buildings.xlsx", "buildings.csv.json"] {
        let problem = get(kind).problem(404, "FIRE-404");
        assert!(problem.text("/detail").contains("results"), "{}", problem.json);
    }
    get("sessions?format=xlsx").invalid(&["format"]);
    get("sessions?since=&form=x").invalid(&["form"]);
    get("buildings.csv?format=csv").invalid(&["format"]);
    get("buildings.json?since=x").invalid(&["since"]);
    let token = feed(&site.admin, "sessions").next_since;
    let stranger = Organisation::register(Stack::shared()).admin;
    stranger.get(&format!("/v1/exports/sessions?since={token}")).problem(400, "FIRE-400-CURSOR");
    get(&format!("audit?since={token}")).problem(400, "FIRE-400-CURSOR");
    let other_feed = site.admin.get("/v1/tests/sessions/changes?since=now").expect(200).text("/since");
    for damaged in ["x", "", &token[1..], &other_feed] {
        get(&format!("sessions?since={damaged}")).problem(400, "FIRE-400-CURSOR");
    }
    let technician = site.organisation.member(Stack::shared(), "technician").client;
    technician.get("/v1/exports/sessions").problem(403, "FIRE-403");
}

#[test]
fn a_tenant_has_its_own_rows_alone() {
    let (site, stranger) = (Site::new(), Site::new());
    let outcome = operation("tablet", "set", &format!("{}/outcome", site.items[0]), json!("fail"));
    site.send(&json!({"changes": [outcome]})).expect(200);
    eventually("the defect is there", || feed(&site.admin, "defects").rows.pop());
    for kind in FEEDS {
        let rows = json!(feed(&stranger.admin, kind).rows).to_string();
        assert!(!rows.contains(&site.session_id) && !rows.contains(&site.building_id), "{kind}");
    }
    for kind in ["buildings.json", "assets.json", "measures.json"] {
        let rows = stranger.admin.get(&format!("/v1/exports/{kind}")).expect(200).json.to_string();
        assert!(!rows.contains(&site.building_id), "{kind}");
    }
}

#[test]
fn registers_have_all_fields_with_which_they_are_made_and_no_formula() {
    let site = Site::new();
    let name = "=HYPERLINK(\"http://example.org\"), \"quoted\"";
    let building = json!({
        "site_name": name, "site_address": "1 Quay Street", "building_class": "5", "jurisdiction": "NSW", "external_id": "+1",
        "metadata": {"levels": 12},
        "parties": [{"role": "owner", "name": "Mia Owner", "email": "mia@example.org"}],
    });
    let id = site.admin.post("/v1/buildings", &building).expect(201).id();
    crate::measures::make(&site.admin, &id, "AS 1851-2012").expect(201);
    site.admin.delete(&format!("/v1/buildings/{id}")).expect(204);
    let register = |kind: &str| site.admin.get(&format!("/v1/exports/{kind}.json")).expect(200).json;
    let buildings = register("buildings");
    let found = buildings.as_array().unwrap().iter().find(|row| row["id"] == *id).unwrap();
    for field in ["site_name", "site_address", "building_class", "jurisdiction", "external_id", "metadata"] {
        assert_eq!(found[field], building[field], "{field}");
    }
    assert_eq!((&found["is_active"], found.get("parties")), (&json!(false), None));
    assert_eq!(buildings.as_array().unwrap().len(), 2);
    assert_eq!(register("assets").as_array().unwrap().len(), 3);
    assert_eq!(register("measures")[0]["building_id"], *id);
    let csv = site.admin.get("/v1/exports/buildings.csv").expect(200);
    let text = String::from_utf8(csv.body).unwrap();
    let line = format!(
        "{id},'+1,\"'=HYPERLINK(\"\"http://example.org\"\"), \"\"quoted\"\"\",1 Quay Street,5,NSW,,,\"{{\"\"levels\"\":12}}\",false"
    );
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    let nothing = Organisation::register(Stack::shared()).admin;
    assert_eq!(nothing.get("/v1/exports/measures.json").expect(200).json, json!([]));
}

/// An export whose answer has begun, and that nobody reads.
struct Unread(BufReader<TcpStream>);

impl Unread {
    fn begin(stack: &Stack, client: &Client, kind: &str) -> Self {
        let mut stream = TcpStream::connect(stack.base_url().replace("http://", "")).unwrap();
        let head = format!(
            "GET /v1/exports/{kind} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            client.token()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        Self(stream)
    }

    fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A connection that is cut gives what came until then.
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// More than the sockets on the way take.
const MANY: i64 = 80_000;

#[test]
fn a_user_has_one_at_a_time_and_one_that_breaks_off_has_no_end() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    add_sessions(&stack.sql(), &site, MANY);
    let under_way = Unread::begin(&stack, &site.admin, "sessions");
    let refused = site.admin.get("/v1/exports/buildings.json").problem(429, "FIRE-429");
    assert!(refused.text("/detail").contains("export"));
    let other = site.organisation.member(&stack, "auditor").client;
    other.get("/v1/exports/buildings.json").expect(200);
    drop(under_way);
    eventually("the turn is free again", || {
        (site.admin.get("/v1/exports/buildings.json").status == 200).then_some(())
    });

    let whole = Unread::begin(&stack, &site.admin, "sessions").rest();
    assert!(whole.contains("\"next_since\"") && whole.ends_with("\r\n0\r\n\r\n"));
    let broken = Unread::begin(&stack, &site.admin, "sessions");
    stack.sql().batch("alter table test_sessions rename column item_count to other");
    let broken = broken.rest();
    stack.sql().batch("alter table test_sessions rename column other to item_count");
    assert!(broken.contains(&site.building_id), "it has begun");
    assert!(!broken.contains("\"next_since\"") && !broken.ends_with("\r\n0\r\n\r\n"));
    eventually("it can be asked for again", || {
        (site.admin.get("/v1/exports/buildings.json").status == 200).then_some(())
    });
}

#[test]
fn a_token_from_before_a_restore_is_gone() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let token = feed(&site.admin, "sessions").next_since;
    new_building(&site.admin);
    stack.sql().rows("update database_incarnation set id = gen_random_uuid()", &[]);
    site.admin.get(&format!("/v1/exports/sessions?since={token}")).problem(410, "FIRE-410");
    assert_eq!(feed(&site.admin, "sessions").rows.len(), 1);
}
