//! Is the appliance what it was before the load?

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::api::{Api, fetch};
use crate::rule::Rule;
use crate::token::Token;

const READS: usize = 40;
/// It has to be ready again so soon.
const READY_SECONDS_MAX: u64 = 10;
/// A read may take so much longer than before, or so long.
const RATIO_MAX: u32 = 2;
const READ_ALLOWED: Duration = Duration::from_millis(50);

/// How long a read takes: the median of several.
pub(super) struct Reads(Duration);

impl Reads {
    pub(super) async fn measure(api: &Api, token: &Token) -> Result<Self> {
        let mut times = Vec::with_capacity(READS);
        for _ in 0..READS {
            let begun = Instant::now();
            fetch(api.get("/v1/buildings?limit=1").bearer_auth(token.now())).await?;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        Ok(Self(times[READS / 2]))
    }

    /// These reads were made before the load.
    pub(super) async fn rules(self, api: &Api, token: &Token) -> Result<Vec<Rule>> {
        let ready_after = ready_after(api).await;
        let after = Self::measure(api, token).await?;
        let observed = ready_after.map_or("it is not".to_owned(), |time| format!("{} ms", time.as_millis()));
        let is_quick = after.0 <= (self.0 * RATIO_MAX).max(READ_ALLOWED);
        Ok(vec![
            Rule::new(
                format!("ready within {READY_SECONDS_MAX} s of the end"),
                observed,
                ready_after.is_some(),
            ),
            Rule::new(
                format!(
                    "a read takes at most {RATIO_MAX} times what it took before, or {} ms",
                    READ_ALLOWED.as_millis()
                ),
                format!("{:.1} ms before, {:.1} ms after", milliseconds(self.0), milliseconds(after.0)),
                is_quick,
            ),
        ])
    }
}

/// None where that takes too long.
async fn ready_after(api: &Api) -> Option<Duration> {
    let ended = Instant::now();
    while ended.elapsed() < Duration::from_secs(READY_SECONDS_MAX) {
        if fetch(api.get("/health/ready")).await.is_ok() {
            return Some(ended.elapsed());
        }
        sleep(Duration::from_millis(100)).await;
    }
    None
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
