//! What has expired is removed, and nothing else.

use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::{
    Database, Purpose, StorageError, Transaction, account_tokens, refresh_tokens, throttle,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;

use crate::support::organisation::new_email;
use crate::support::{Organisation, Stack, new_key};

/// Rows that a sweep removes at most.
const ROWS_MAX: i64 = 1_000;

/// How long failed sign-ins are remembered, as config/default.toml has it.
const FORGET_SECONDS: i32 = 86_400;

/// One sweep, as the worker does it at intervals.
pub(crate) fn sweep(
    stack: &Stack,
    what: impl AsyncFnOnce(&Transaction, i64) -> Result<u64, StorageError>,
) -> u64 {
    let env: Environ = [("DATABASE_URL".to_owned(), stack.folder().database_url())].into_iter().collect();
    let settings = Settings::load(&env).unwrap();
    let sweep = async {
        let tx = Database::new(&settings, 1)?.across_tenants(Purpose::Sweep).transaction().await?;
        let removed = what(&tx, ROWS_MAX).await?;
        tx.commit().await?;
        Ok::<_, StorageError>(removed)
    };
    Builder::new_current_thread().enable_all().build().unwrap().block_on(sweep).unwrap()
}

#[test]
fn an_expired_refresh_token_goes_and_the_one_made_from_it_stays() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let refresh = |token: &str| stack.client().post("/v1/auth/refresh", &json!({"refresh_token": token}));
    let next = refresh(&organisation.refresh_token).expect(200).text("/refresh_token");
    let expire = "update refresh_tokens set expires_at = now() - interval '2 days'
                  where organisation_id = $1 and parent_id is null";
    stack.sql().rows(expire, &[&organisation.id]);
    assert!(sweep(stack, refresh_tokens::sweep) >= 1);
    let left = "select count(*) from refresh_tokens where organisation_id = $1";
    assert_eq!(stack.sql().count(left, &[&organisation.id]), 1);
    let renewed = refresh(&next).expect(200).text("/refresh_token");
    refresh(&renewed).expect(200);
    refresh(&next).problem(401, "FIRE-401");
}

#[test]
fn an_expired_one_time_token_goes_and_an_open_one_stays() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let invite = || {
        let body = json!({"email": new_email(), "role": "technician"});
        organisation.admin.post("/v1/users", &body).expect(201)
    };
    let (expired, open) = (invite(), invite());
    let expire = "update account_tokens set expires_at = now() - interval '2 days'
                  where organisation_id = $1 and user_id = $2::text::uuid";
    stack.sql().rows(expire, &[&organisation.id, &expired.id()]);
    assert!(sweep(stack, account_tokens::sweep) >= 1);
    let left = "select user_id::text from account_tokens where organisation_id = $1";
    let left: Vec<String> =
        stack.sql().rows(left, &[&organisation.id]).iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [open.id()]);
    let accept = json!({"token": open.text("/invitation/token"), "full_name": "Ada Example",
                        "password": crate::support::organisation::PASSWORD});
    stack.client().post("/v1/auth/accept-invitation", &accept).expect(200);
    let again = format!("/v1/users/{}/invitation", expired.id());
    organisation.admin.request("POST", &again).send().expect(201);
}

#[test]
fn failed_sign_ins_go_when_they_say_nothing_any_more() {
    let stack = Stack::shared();
    let row = |failed: &str, open: &str, known: &str| {
        let key = Sha256::digest(new_key()).to_vec();
        let insert = "insert into sign_in_throttle (key, failures, failed_at, open_at, known_until) values
            ($1, 9, now() + $2::text::interval, now() + $3::text::interval, now() + $4::text::interval)";
        stack.sql().rows(insert, &[&key, &failed, &open, &known]);
        key
    };
    let long_ago = row("-2 days", "-1 day", "-1 day");
    let kept = [
        ("failed lately", row("-1 hour", "-1 hour", "-1 day")),
        ("waiting", row("-2 days", "1 hour", "-1 day")),
        ("of a known network", row("-2 days", "-1 day", "1 day")),
    ];
    let forgotten = async |tx: &Transaction, limit| throttle::sweep(tx, FORGET_SECONDS, limit).await;
    assert!(sweep(stack, forgotten) >= 1);
    let is_there = |key: &Vec<u8>| {
        stack.sql().count("select count(*) from sign_in_throttle where key = $1", &[key]) == 1
    };
    assert!(!is_there(&long_ago));
    for (which, key) in &kept {
        assert!(is_there(key), "the one that is {which} is gone");
    }
}
