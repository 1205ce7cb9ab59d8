//! Slows down those who try passwords, without locking anybody out.
//!
//! Failures are counted for the network that they come from (in IPv6 also, more loosely, for the site), and for the account; each further
//! one doubles the wait, up to a cap, and each hour takes some away. An account in a network from which it has signed in before is
//! counted by itself, whatever is tried on it elsewhere and on others there: neither an attacker far away nor one in the same office
//! keeps its owner waiting, and its success clears what was counted against the network. Signed-in devices renew their tokens all the
//! while, and an admin's password reset makes the network that it is used from a known one. Addresses without an account are counted
//! the same.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use firemode_domain::input::comparison_key;
use firemode_runtime::settings::AuthSettings;
use firemode_storage::Executor;
use firemode_storage::throttle::{self, Pace, ThrottleKey};
use firemode_web::{Caller, Problem, client_address};
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
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The network, and in IPv6 the site, each with its pace.
    networks: Vec<(ThrottleKey, Pace)>,
    account: ThrottleKey,
    /// The account from this network.
    pair: ThrottleKey,
}

impl Throttle {
    pub(crate) fn new(auth: &AuthSettings, trusted_proxy_hops: usize) -> Self {
        let pace = |free_failures, forgiven_per_hour| Pace {
            free_failures,
            forgiven_per_hour,
            delay_seconds_max: auth.sign_in_delay_seconds_max,
            forget_seconds: auth.sign_in_forget_seconds,
        };
        Self {
            key: auth.jwt_secret_key.expose_secret().as_bytes().to_vec(),
            trusted_proxy_hops,
            by_account: pace(auth.sign_in_failures_free, auth.sign_in_failures_forgiven_per_hour),
            by_network: pace(
                auth.sign_in_network_failures_free,
                auth.sign_in_network_failures_forgiven_per_hour,
            ),
            known_network_days: auth.known_network_days,
        }
    }

    /// Where a request about an account comes from. Addresses that look alike are counted together.
    pub(crate) fn origin(&self, request: &HttpRequest, email: &str) -> Origin {
        let address = client_address(request.head(), self.trusted_proxy_hops);
        let account = comparison_key(email);
        let account = account.as_bytes();
        let mut networks = Vec::new();
        let mut pair = None;
        for caller in Caller::of_address(address) {
            let (kind, octets): (&[u8], _) = match caller {
                Caller::Network(IpAddr::V4(address)) => (b"network", address.octets().to_vec()),
                Caller::Network(IpAddr::V6(address)) => (b"network", address.octets().to_vec()),
                Caller::Site(address) => (b"site", address.octets().to_vec()),
                Caller::User(_) => continue,
            };
            pair.get_or_insert_with(|| self.key_of(&[b"pair", account, &octets]));
            networks.push((self.key_of(&[kind, &octets]), self.pace_of(caller)));
        }
        let account = self.key_of(&[b"account", account]);
        Origin { networks, account, pair: pair.unwrap_or(account) }
    }

    fn pace_of(&self, caller: Caller) -> Pace {
        let times = i32::try_from(caller.weight()).unwrap_or(1);
        let Pace { free_failures, forgiven_per_hour, .. } = self.by_network;
        Pace {
            free_failures: free_failures.saturating_mul(times),
            forgiven_per_hour: forgiven_per_hour.saturating_mul(times),
            ..self.by_network
        }
    }

    /// # Errors
    /// 429 where the account has to wait or, for an account that is not known there, the network.
    pub(crate) async fn check(&self, on: &impl Executor, origin: &Origin) -> Result<(), Problem> {
        let networks = origin.networks.iter().map(|(key, _)| *key);
        let keys: Vec<ThrottleKey> = [origin.pair, origin.account].into_iter().chain(networks).collect();
        let known = throttle::read(on, &keys).await?;
        let counted = match known.split_first() {
            Some((pair, _)) if pair.is_known => std::slice::from_ref(pair),
            Some((_, others)) => others,
            None => &[],
        };
        match counted.iter().map(|known| known.wait_seconds).max().unwrap_or_default() {
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
        for (network, pace) in &origin.networks {
            throttle::fail(on, network, *pace).await?;
        }
        let counted = if is_known(on, origin).await? { &origin.pair } else { &origin.account };
        throttle::fail(on, counted, self.by_account).await?;
        Ok(())
    }

    /// Makes the network a known one of the account, whose own failures are forgotten. Those of the network are forgotten where it was
    /// known before: an account that was just made there must not wipe out what was tried on others.
    pub(crate) async fn succeeded(&self, on: &impl Executor, origin: &Origin) -> Result<(), Problem> {
        if is_known(on, origin).await? {
            for (network, _) in &origin.networks {
                throttle::forget(on, network).await?;
            }
        } else {
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

/// Has the account signed in from there before?
async fn is_known(on: &impl Executor, origin: &Origin) -> Result<bool, Problem> {
    Ok(throttle::read(on, &[origin.pair]).await?.iter().any(|known| known.is_known))
}
