//! Lists from their first page to their last.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::site::{new_building, open_session};
use crate::support::{Answer, Client, Organisation, Stack};

/// Ids of all rows, page by page.
fn all_pages(client: &Client, path: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next = path.to_owned();
    for _ in 0..100 {
        let page = client.get(&next).expect(200);
        ids.extend(page.data().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let link = page.header("link").to_owned();
        match page["next_cursor"].as_str() {
            None => {
                assert_eq!(link, "");
                return ids;
            }
            Some(cursor) => {
                next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
                assert!(next.contains(cursor), "{link}");
            }
        }
    }
    panic!("the list at {path} does not end")
}

fn cursor(answer: &Answer) -> String {
    answer.text("/next_cursor")
}

#[test]
fn a_walk_sees_every_row_once_whatever_the_size_of_a_page() {
    let admin = Organisation::register(Stack::shared()).admin;
    let mut made: Vec<String> = (0..7).map(|_| new_building(&admin)).collect();
    made.reverse();
    for limit in 1..=3 {
        assert_eq!(
            all_pages(&admin, &format!("/v1/buildings?limit={limit}")),
            made,
            "newest first, limit {limit}"
        );
    }
    let assets = format!("/v1/buildings/{}/assets", made[0]);
    let row = json!({"item_code": "EXT-PRESSURE", "section": 10, "label": "x", "location": "y"});
    // Made in one transaction, so that all of them have one time of creation.
    admin.post(&assets, &Value::from(vec![row; 7])).expect(207);
    let sessions: Vec<String> = (0..4).map(|_| open_session(&admin, &made[0])).collect();
    for limit in 1..=3 {
        let found: HashSet<String> =
            all_pages(&admin, &format!("{assets}?limit={limit}")).into_iter().collect();
        assert_eq!(found.len(), 7, "limit {limit}");
        let mut found = all_pages(&admin, &format!("/v1/tests/sessions?limit={limit}"));
        found.reverse();
        assert_eq!(found, sessions);
        let acts = all_pages(&admin, &format!("/v1/audit?limit={limit}"));
        assert_eq!(acts.len(), acts.iter().collect::<HashSet<_>>().len());
        assert_eq!(acts.len(), 1 + 2 + 7 + 7 + 4, "one for each that was made, and for two keys");
    }
}

#[test]
fn a_walk_sees_what_was_there_when_it_began() {
    let admin = Organisation::register(Stack::shared()).admin;
    let mut made: Vec<String> = (0..4).map(|_| new_building(&admin)).collect();
    made.reverse();
    let first = admin.get("/v1/buildings?limit=2").expect(200);
    let later = new_building(&admin);
    // A change between two pages moves no row.
    admin.patch(&format!("/v1/buildings/{}", made[3]), &json!({"site_name": "changed"})).expect(200);
    let rest = all_pages(&admin, &format!("/v1/buildings?limit=1&cursor={}", cursor(&first)));
    assert_eq!(rest, made[2..]);
    assert_eq!(all_pages(&admin, "/v1/buildings")[0], later);
}

#[test]
fn a_walk_misses_no_row_that_commits_out_of_order() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    new_building(&organisation.admin);
    // A writer begins first and commits last: its row has the oldest time and appears behind newer ones.
    let (slow, quick) = (stack.sql(), &organisation.admin);
    slow.rows("begin", &[]);
    let insert =
        "insert into buildings (id, organisation_id, site_name, site_address) values ($1, $2, 'slow', 'x')";
    let id = uuid::Uuid::now_v7();
    slow.rows(insert, &[&id, &organisation.id]);
    let later = new_building(quick);
    let first = quick.get("/v1/buildings?limit=1").expect(200);
    assert_eq!(first.data()[0]["id"], later);
    slow.rows("commit", &[]);
    let rest = all_pages(quick, &format!("/v1/buildings?limit=1&cursor={}", cursor(&first)));
    assert_eq!(rest.len(), 1, "the row was not committed when the first page was read");
    assert_eq!(all_pages(quick, "/v1/buildings?limit=1").len(), 3);
}

#[test]
fn a_cursor_is_good_for_its_own_list_tenant_and_filters_alone() {
    let stack = Stack::shared();
    let admin = Organisation::register(stack).admin;
    let building = new_building(&admin);
    new_building(&admin);
    for _ in 0..3 {
        open_session(&admin, &building);
    }
    let buildings = cursor(&admin.get("/v1/buildings?limit=1").expect(200));
    let sessions = cursor(&admin.get("/v1/tests/sessions?limit=1&status=pending").expect(200));
    admin.get(&format!("/v1/tests/sessions?status=pending&cursor={sessions}")).expect(200);

    let refused = |client: &Client, path: String| client.get(&path).problem(400, "FIRE-400-CURSOR");
    refused(&admin, format!("/v1/tests/sessions?status=pending&cursor={buildings}"));
    refused(&admin, format!("/v1/tests/sessions?cursor={sessions}"));
    refused(&admin, format!("/v1/tests/sessions?status=active&cursor={sessions}"));
    refused(&admin, format!("/v1/buildings?is_active=true&cursor={buildings}"));
    let stranger = Organisation::register(stack).admin;
    refused(&stranger, format!("/v1/buildings?cursor={buildings}"));
    for damaged in ["x", "e30", "", &buildings[1..], &format!("{buildings}AA"), &"A".repeat(5_000)] {
        refused(&admin, format!("/v1/buildings?cursor={damaged}"));
    }
}

#[test]
fn a_cursor_cannot_be_forged() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let stack = Stack::shared();
    let admin = Organisation::register(stack).admin;
    new_building(&admin);
    new_building(&admin);
    let text = cursor(&admin.get("/v1/buildings?limit=1").expect(200));
    let mut content: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&text).unwrap()).unwrap();
    assert!(content["last_evaluated_id"].is_string() && content["vector_clock"].is_object(), "{content}");
    content["last_evaluated_id"] = uuid::Uuid::max().to_string().into();
    let forged = URL_SAFE_NO_PAD.encode(content.to_string());
    admin.get(&format!("/v1/buildings?cursor={forged}")).problem(400, "FIRE-400-CURSOR");
}
