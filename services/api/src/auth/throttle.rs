//! Slows down those who try passwords, without locking anybody out.
//!
//! Failures are counted for the network that they come from, and for the account; each further one doubles the wait, up to a
//! cap. A network from which an account has signed in before is counted by itself, so that an attacker who keeps an account
//! waiting from elsewhere does not keep its owner waiting. Signed-in devices renew their tokens all the while, and an admin's
//! password reset makes the network that it is used from a known one. Addresses without an account are counted the same.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use firemode_domain::input::comparison_key;
use firemode_runtime::settings::AuthSettings;
use firemode_storage::Executor;
use firemode_storage::throttle::{self, Pace, ThrottleKey};
use firemode_web::{Problem, client_address, network_of};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

/// Counts failures and says who has to wait.
pub(crate) struct Throttle {
    key: Vec<u8>,
    trusted_proxy_hops: usize,
    by_account: Pace,
    by_network: Pace,
    known_network_days: i32,
}

/// Whose account is tried, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    network: ThrottleKey,
    account: ThrottleKey,
    /// The account from this network.
    pair: ThrottleKey,
}

impl Throttle {
    pub(crate) fn new(auth: &AuthSettings, trusted_proxy_hops: usize) -> Self {
        let pace = |free_failures| Pace {
            free_failures,
            delay_seconds_max: auth.sign_in_delay_seconds_max,
            forget_seconds: auth.sign_in_forget_seconds,
        };
        Self {
            key: auth.jwt_secret_key.expose_secret().as_bytes().to_vec(),
            trusted_proxy_hops,
            by_account: pace(auth.sign_in_failures_free),
            by_network: pace(auth.sign_in_network_failures_free),
            known_network_days: auth.known_network_days,
        }
    }

    /// Where a request about an account comes from. Addresses that look alike are counted together.
    pub(crate) fn origin(&self, request: &HttpRequest, email: &str) -> Origin {
        let network = network_of(client_address(request.head(), self.trusted_proxy_hops));
        let (account, network) = (comparison_key(email), octets(network));
        let account = account.as_bytes();
        Origin {
            network: self.key_of(&[b"network", &network]),
            account: self.key_of(&[b"account", account]),
            pair: self.key_of(&[b"pair", account, &network]),
        }
    }

    /// # Errors
    /// 429 where the network or the account has to wait.
    pub(crate) async fn check(&self, on: &impl Executor, origin: &Origin) -> Result<(), Problem> {
        let Origin { network, account, pair } = origin;
        let [network, account, pair] = throttle::read(on, [network, account, pair]).await?;
        let counted = if pair.is_known { pair } else { account };
        match network.wait_seconds.max(counted.wait_seconds) {
            0 => Ok(()),
            seconds => {
                metrics::counter!(SIGN_INS, "outcome" => "throttled").increment(1);
                let detail = "Too many failed attempts. Wait as long as Retry-After says, and try again.";
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(seconds))
            }
        }
    }

    /// Counts a failure.
    pub(crate) async fn failed(&self, on: &impl Executor, origin: &Origin) -> Result<(), Problem> {
        let [pair] = throttle::read(on, [&origin.pair]).await?;
        let counted = if pair.is_known { &origin.pair } else { &origin.account };
        throttle::fail(on, &origin.network, self.by_network).await?;
        throttle::fail(on, counted, self.by_account).await?;
        Ok(())
    }

    /// Makes the network a known one of the account, whose own failures are forgotten. Those of the network stay: an account
    /// of one's own must not wipe out what was tried on others.
    pub(crate) async fn succeeded(&self, on: &impl Executor, origin: &Origin) -> Result<(), Problem> {
        let [pair] = throttle::read(on, [&origin.pair]).await?;
        if !pair.is_known {
            throttle::forget(on, &origin.account).await?;
        }
        Ok(throttle::succeed(on, &origin.pair, self.known_network_days).await?)
    }

    fn key_of(&self, parts: &[&[u8]]) -> ThrottleKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(b"firemode sign-in throttle v1");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Sign-ins by their outcome.
pub(crate) const SIGN_INS: &str = "firemode_sign_ins_total";

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
