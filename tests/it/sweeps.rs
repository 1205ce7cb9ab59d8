//! What has expired is removed, and nothing else.

use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::{Database, Purpose, StorageError, refresh_tokens};
use serde_json::json;
use tokio::runtime::Builder;

use crate::support::{Organisation, Stack};

/// One sweep of the refresh tokens, as the API does it now and then.
fn sweep_refresh_tokens(stack: &Stack) -> u64 {
    let env: Environ = [("DATABASE_URL".to_owned(), stack.folder().database_url())].into_iter().collect();
    let settings = Settings::load(&env).unwrap();
    let sweep = async {
        let tx = Database::new(&settings, 1)?.across_tenants(Purpose::Sweep).transaction().await?;
        let removed = refresh_tokens::sweep(&tx, 1_000).await?;
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
    assert!(sweep_refresh_tokens(stack) >= 1);
    let left = "select count(*) from refresh_tokens where organisation_id = $1";
    assert_eq!(stack.sql().count(left, &[&organisation.id]), 1);
    let renewed = refresh(&next).expect(200).text("/refresh_token");
    refresh(&renewed).expect(200);
    refresh(&next).problem(401, "FIRE-401");
}
