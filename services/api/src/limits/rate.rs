//! How many requests one caller may send: a burst at once, then a steady rate (GCRA, a leaky bucket).

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use firemode_runtime::settings::RateLimitSettings;
use firemode_web::Caller;
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::slots::Slots;

/// draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

type Limiter = RateLimiter<u64, Slots, MonotonicClock, StateInformationMiddleware>;

/// The three counts of a process; none where they are switched off.
pub(crate) struct RateLimits {
    /// Every request, by address.
    pub(super) address: Limit,
    /// What costs a password's hash, by address.
    pub(super) auth: Limit,
    /// By user.
    pub(super) user: Limit,
}

/// One count of many callers.
pub(super) struct Limit {
    name: &'static str,
    burst: u32,
    per_minute: u32,
    limiter: Limiter,
    /// For callers that stand for some others.
    wide: Limiter,
    hasher: RandomState,
    policy: HeaderValue,
}

/// What a caller has left after a request.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    policy: HeaderValue,
    value: HeaderValue,
}

/// A caller that has nothing left, for so many seconds.
#[derive(Debug, Clone)]
pub(super) struct Exhausted {
    pub(super) standing: Standing,
    pub(super) retry_after_seconds: u32,
}

impl RateLimits {
    pub(crate) fn new(settings: &RateLimitSettings) -> Option<Self> {
        let limit = |name, burst, per_minute| Limit::new(name, burst, per_minute, settings.callers_max);
        settings.enabled.then(|| Self {
            address: limit("address", settings.address_burst, settings.address_per_minute),
            auth: limit("auth", settings.auth_burst, settings.auth_per_minute),
            user: limit("user", settings.user_burst, settings.user_per_minute),
        })
    }
}

impl Limit {
    fn new(name: &'static str, burst: u32, per_minute: u32, callers_max: usize) -> Self {
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let limiter = |times: usize| {
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            let quota = Quota::per_minute(at_least_one(per_minute.saturating_mul(times)));
            let quota = quota.allow_burst(at_least_one(burst.saturating_mul(times)));
            RateLimiter::new(quota, Slots::new(callers_max), MonotonicClock)
        };
        let window_seconds = seconds(burst, per_minute);
        Self {
            name,
            burst,
            per_minute,
            limiter: limiter(1),
            wide: limiter(Caller::SITE_WEIGHT),
            hasher: RandomState::new(),
            policy: header(&format!("\"{name}\";q={burst};w={window_seconds}")),
        }
    }

    /// Counts a request of a caller, which may be of several: what is left is that of the first.
    ///
    /// # Errors
    /// One of them has none left.
    pub(super) fn take(&self, callers: impl IntoIterator<Item = Caller>) -> Result<Standing, Exhausted> {
        let standings: Vec<Standing> =
            callers.into_iter().map(|caller| self.take_of(caller)).collect::<Result<_, _>>()?;
        Ok(standings.into_iter().next().unwrap_or_else(|| self.standing(self.burst)))
    }

    fn take_of(&self, caller: Caller) -> Result<Standing, Exhausted> {
        let limiter = if caller.weight() == 1 { &self.limiter } else { &self.wide };
        match limiter.check_key(&self.hasher.hash_one(caller)) {
            Ok(state) => Ok(self.standing(state.remaining_burst_capacity().min(self.burst))),
            Err(until) => {
                let wait = until.wait_time_from(limiter.clock().now());
                let whole = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
                Err(Exhausted { standing: self.standing(0), retry_after_seconds: whole.saturating_add(1) })
            }
        }
    }

    /// `r`: requests that may follow at once; `t`: seconds until all of the burst is there again.
    fn standing(&self, remaining: u32) -> Standing {
        let reset_seconds = seconds(self.burst - remaining, self.per_minute);
        let value = header(&format!("\"{}\";r={remaining};t={reset_seconds}", self.name));
        Standing { policy: self.policy.clone(), value }
    }
}

impl Standing {
    /// Adds it to those of an answer: both headers are lists.
    pub(super) fn write_to(self, headers: &mut HeaderMap) {
        headers.append(POLICY, self.policy);
        headers.append(STANDING, self.value);
    }
}

/// How long so many requests take at a rate, rounded up.
fn seconds(requests: u32, per_minute: u32) -> u64 {
    (u64::from(requests) * 60).div_ceil(u64::from(per_minute.max(1)))
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a name and numbers are visible ASCII")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> [Caller; 1] {
        [Caller::User(Uuid::from_u128(number))]
    }

    fn headers_of(standing: Standing) -> [String; 2] {
        let mut headers = HeaderMap::new();
        standing.write_to(&mut headers);
        [POLICY, STANDING].map(|name| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn a_burst_is_let_through_and_then_told_when_to_come_again() {
        let limit = Limit::new("user", 3, 1, 1024);
        let left = [2, 1, 0].map(|_| limit.take(user(0)).map(headers_of).ok());
        assert_eq!(left[0], Some(["\"user\";q=3;w=180".to_owned(), "\"user\";r=2;t=60".to_owned()]));
        assert_eq!(left[2].as_ref().map(|headers| headers[1].as_str()), Some("\"user\";r=0;t=180"));
        let exhausted = limit.take(user(0)).expect_err("three were allowed");
        assert!((1..=60).contains(&exhausted.retry_after_seconds), "{}", exhausted.retry_after_seconds);
        assert_eq!(headers_of(exhausted.standing)[1], "\"user\";r=0;t=180");
    }

    #[test]
    fn callers_are_counted_apart_and_the_table_does_not_grow() {
        let limit = Limit::new("user", 1, 1, 1 << 16);
        assert!(limit.take(user(0)).is_ok() && limit.take(user(0)).is_err());
        let others = (1..=100).filter(|&caller| limit.take(user(caller)).is_ok()).count();
        assert!(others >= 95, "{others} of 100 others were let through");
        let crowded = Limit::new("user", 1, 1, 8);
        let let_through = (0..1000).filter(|&caller| crowded.take(user(caller)).is_ok()).count();
        assert_eq!(let_through, 8, "each count was used once");
    }

    #[test]
    fn networks_of_one_site_have_a_bound_together() {
        let limit = Limit::new("address", 2, 1, 1 << 16);
        let of = |network: u16| {
            let address = format!("2001:db8:1:{network:x}::1").parse().expect("this is an address");
            Caller::of_address(address)
        };
        assert!((0..8).all(|request| limit.take(of(request / 2)).is_ok()));
        assert!(limit.take(of(9)).is_err(), "another network of the same site");
    }
}
