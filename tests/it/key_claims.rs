//! Keys that a transaction has claimed are free before a client learns that it failed, so that it may try again at once. This
//! is between the appliance and the database, where it takes a moment that requests over HTTP hit only sometimes.

use std::collections::HashSet;

use firemode_domain::document::ChangeHash;
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::changes::{RELIED_ON, Reliance};
use firemode_storage::idempotency::{IdempotencyScope, KeyClaim};
use firemode_storage::results::{self, BatchWrites};
use firemode_storage::{Database, Transaction};
use tokio::runtime::Builder;
use uuid::Uuid;

use crate::support::{Organisation, Stack, new_key};

const ROUNDS: usize = 100;

/// Keys of a batch: the more there are, the longer they take to be let go.
const KEYS: usize = 300;

fn scopes(organisation: &Organisation) -> Vec<IdempotencyScope> {
    let scope = |_| IdempotencyScope {
        organisation_id: organisation.id,
        user_id: organisation.user_id,
        method: "POST".to_owned(),
        path: "/v1/results".to_owned(),
        key: new_key(),
    };
    (0..KEYS).map(scope).collect()
}

/// Claims keys, each of which must be free.
async fn claim(tx: &Transaction, scopes: &[IdempotencyScope], what: &str) {
    let scopes: Vec<&IdempotencyScope> = scopes.iter().collect();
    let (claims, _) = results::claim(tx, &scopes, HashSet::new()).await.unwrap();
    let taken = claims.iter().filter(|claim| !matches!(claim, KeyClaim::New)).count();
    assert_eq!(taken, 0, "keys that are in use still after {what}");
}

#[test]
fn a_transaction_that_fails_has_let_its_keys_go() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let env: Environ = [("DATABASE_URL".to_owned(), stack.folder().database_url())].into_iter().collect();
    let settings = Settings::load(&env).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::new(&settings, 2).unwrap();
        let begin = || async { database.tenant(organisation.id).transaction().await.unwrap() };
        for _ in 0..ROUNDS {
            let scopes = scopes(&organisation);
            let (first, second) = (begin().await, begin().await);
            claim(&first, &scopes, "nothing").await;
            let reliance = Reliance {
                organisation_id: organisation.id,
                session_id: Uuid::now_v7(),
                hashes: &[ChangeHash([7; 32])],
            };
            let left = BatchWrites {
                summaries: &[],
                activated: &[],
                arrivals: Vec::new(),
                relied_on: &[reliance],
                visits: &[],
                events: &[],
                answers: &[],
                answer_days: 1,
            };
            let refused = results::commit(first, left).await.unwrap_err();
            assert_eq!(refused.constraint(), Some(RELIED_ON));
            claim(&second, &scopes, "a commit that was refused").await;
            let third = begin().await;
            second.abandon().await;
            claim(&third, &scopes, "a transaction that was given up").await;
        }
    });
}
