//! Revoked tokens: refused at once where they were revoked, within a second elsewhere, and never let in because a list is missing.

use std::time::{Duration, Instant};

use firemode_storage::revocations;
use serde_json::json;
use uuid::Uuid;

use crate::support::wait::within;
use crate::support::{Organisation, Sql, Stack, eventually, new_key};
use crate::sweeps::sweep;

/// The promise; a machine that is busy with other work gets a few attempts at it.
const ELSEWHERE_MAX: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 5;

#[test]
fn a_token_is_refused_at_once_here_and_within_a_second_on_another_appliance() {
    let here = Stack::shared();
    let there = here.beside(&[]);
    let took: Vec<Duration> = (0..ATTEMPTS)
        .map(|_| {
            let organisation = Organisation::register(here);
            let elsewhere = there.client().with_token(organisation.admin.token());
            elsewhere.get("/v1/buildings").expect(200);
            organisation.admin.post("/v1/auth/logout", &json!({})).expect(204);
            let revoked_at = Instant::now();
            organisation.admin.get("/v1/buildings").problem(401, "FIRE-401-REVOKED");
            // What is written asks the database itself, so there it counts at once everywhere.
            let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
            let write = elsewhere.request("POST", "/v1/classify").key(&new_key()).json(&fault);
            write.send().problem(401, "FIRE-401-REVOKED");
            eventually("the other appliance refuses it", || {
                (elsewhere.get("/v1/buildings").status == 401).then(|| revoked_at.elapsed())
            })
        })
        .collect();
    assert!(took.iter().any(|time| *time < ELSEWHERE_MAX), "{took:?}");
}

#[test]
fn a_list_that_cannot_be_read_lets_nobody_in() {
    let stack = Stack::start(&[
        ("FIREMODE__AUTH__REVOCATION_STALE_MILLISECONDS", "600"),
        ("FIREMODE__DATABASE__STATEMENT_SECONDS_MAX", "1"),
    ]);
    let admin = Organisation::register(&stack).admin;
    let end = Organisation::register(&stack).admin;
    admin.get("/metrics").expect(200);
    let sql = stack.sql();
    sql.rows("begin", &[]);
    sql.rows("lock table token_revocation_list in access exclusive mode", &[]);
    // The figures need nothing of the database but this.
    eventually("the list is stale", || (admin.get("/metrics").status == 503).then_some(()));
    for _ in 0..3 {
        admin.get("/metrics").problem(503, "FIRE-503");
    }
    let ready = stack.client().get("/health/ready").expect(503);
    assert_eq!(ready["checks"]["rtl_enabled"], false);
    sql.rows("rollback", &[]);
    eventually("the list is read again", || (admin.get("/metrics").status == 200).then_some(()));
    end.post("/v1/auth/logout", &json!({})).expect(204);
    end.get("/metrics").problem(401, "FIRE-401-REVOKED");
}

#[test]
fn the_list_is_asked_in_the_database_while_its_copy_is_stale() {
    let here = Stack::shared();
    // It reads the list twice a minute and trusts it for half a second.
    let there = here.beside(&[
        ("FIREMODE__AUTH__REVOCATION_POLL_MILLISECONDS", "10000"),
        ("FIREMODE__AUTH__REVOCATION_STALE_MILLISECONDS", "500"),
    ]);
    let organisation = Organisation::register(here);
    let elsewhere = there.client().with_token(organisation.admin.token());
    elsewhere.get("/v1/buildings").expect(200);
    organisation.admin.post("/v1/auth/logout", &json!({})).expect(204);
    let refused = within(Duration::from_secs(5), || (elsewhere.get("/metrics").status == 401).then_some(()));
    assert!(refused.is_some(), "its next reading is ten seconds away");
}

#[test]
fn entries_are_swept_when_their_tokens_have_expired_by_themselves() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let sql = stack.sql();
    let insert = "insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at)
                  values ($1, $2, $3, $1, now() + make_interval(hours => $4))";
    let (expired, live) = (Uuid::now_v7(), Uuid::now_v7());
    sql.rows(insert, &[&expired, &organisation.id, &organisation.user_id, &-2]);
    sql.rows(insert, &[&live, &organisation.id, &organisation.user_id, &2]);
    assert!(sweep(stack, revocations::sweep) >= 1);
    let is_there =
        |id: Uuid| Sql::count(&sql, "select count(*) from token_revocation_list where id = $1", &[&id]);
    assert_eq!((is_there(expired), is_there(live)), (0, 1));
}
