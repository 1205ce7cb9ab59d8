//! What each request pays for its token: signature, claims, and a look at a long list of revoked tokens.
//!
//! ```sh
//! cargo bench -p firemode-identity --bench verify
//! ```

use divan::{Bencher, black_box};
use firemode_domain::role::Role;
use firemode_identity::{AccessKey, Revocations};
use firemode_storage::revocations::{Revocation, RevocationEntry};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const REVOKED: usize = 100_000;
const TRUSTED_MILLISECONDS: u64 = 3_000;
const LIFE_SECONDS: i64 = 900;

fn main() {
    divan::main();
}

fn key() -> AccessKey {
    let secret = |text: &str| text.to_owned().into();
    AccessKey::new(
        &secret("the key that signs, in this measurement"),
        &[secret("the key that was in use before this one")],
    )
}

/// Tokens of many users, and all tokens of some.
fn revocations() -> Revocations {
    let list = Revocations::new(TRUSTED_MILLISECONDS);
    let expires_at = OffsetDateTime::now_utc() + Duration::days(1);
    for number in 0..REVOKED {
        let user_id = Uuid::new_v4();
        let revocation = if number % 10 == 0 {
            Revocation::UserBefore { user_id, not_before: OffsetDateTime::now_utc() }
        } else {
            Revocation::Token { organisation_id: user_id, jti: Uuid::new_v4() }
        };
        list.add(RevocationEntry { revocation, expires_at });
    }
    list
}

#[divan::bench]
fn token_and_revocation(bencher: Bencher) {
    let (key, list, now) = (key(), revocations(), OffsetDateTime::now_utc());
    let of = (Uuid::new_v4(), Uuid::new_v4());
    let token = key.issue(of, Role::Technician, Uuid::new_v4(), now, LIFE_SECONDS).expect("a token");
    bencher.bench_local(|| {
        let claims = key.verify(black_box(&token), now).expect("it is good");
        assert_ne!(list.verdict(black_box(&claims)), Some(false));
    });
}

#[divan::bench]
fn forged_token(bencher: Bencher) {
    let (key, now) = (key(), OffsetDateTime::now_utc());
    let other = AccessKey::new(&"somebody else's key, which is not one of ours".to_owned().into(), &[]);
    let of = (Uuid::new_v4(), Uuid::new_v4());
    let token = other.issue(of, Role::Admin, Uuid::new_v4(), now, LIFE_SECONDS).expect("a token");
    bencher.bench_local(|| assert!(key.verify(black_box(&token), now).is_err()));
}
