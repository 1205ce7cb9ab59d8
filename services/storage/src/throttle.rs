//! Sign-ins that are slowed down. All instances share what is counted; keys are hashes, and say nothing of whom they are about.

use time::OffsetDateTime;

use crate::{Executor, StorageError, sql};

/// A key: a keyed hash of what is counted.
pub type ThrottleKey = [u8; 32];

/// How failures become delays.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Failures that cost nothing.
    pub free_failures: i32,
    /// The longest delay, in seconds. The first is one second, and each further failure doubles it.
    pub delay_seconds_max: i32,
    /// Each hour takes so many of them away.
    pub forgiven_per_hour: i32,
    /// After so many seconds without a failure the earlier ones are forgotten.
    pub forget_seconds: i32,
}

impl Pace {
    /// Failures that are counted at most: one more would make nobody wait longer, and would only take longer to go away.
    fn failures_max(self) -> i32 {
        let doublings = self.delay_seconds_max.max(1).ilog2() + 2;
        self.free_failures.saturating_add(i32::try_from(doublings).unwrap_or(i32::MAX))
    }
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Seconds until something may be tried again, rounded up; 0 where it may now.
    pub wait_seconds: u32,
    /// The account has signed in from this network lately.
    pub is_known: bool,
}

/// What is known of some keys, in their order.
///
/// # Errors
/// The database does not answer.
pub async fn read(on: &impl Executor, keys: &[ThrottleKey]) -> Result<Vec<Known>, StorageError> {
    let wanted: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
    let rows = on
        .rows(
            "select key, ceil(extract(epoch from greatest(open_at - clock_timestamp(), interval '0')))::bigint,
                    known_until > clock_timestamp()
             from sign_in_throttle where key = any($1)",
            &[&wanted],
        )
        .await?;
    let nothing = Known { wait_seconds: 0, is_known: false };
    let known = |key: &ThrottleKey| {
        let row = rows.iter().find(|row| row.get::<_, &[u8]>(0) == key);
        row.map_or(nothing, |row| Known {
            wait_seconds: u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX),
            is_known: row.get(2),
        })
    };
    Ok(keys.iter().map(known).collect())
}

/// Whole hours that have gone by since the failures were counted. What is left of an hour counts on: `failed_at` moves by whole hours
/// alone.
const HOURS: &str = "floor(extract(epoch from clock_timestamp() - t.failed_at) / 3600)";

/// Counts a failure, and returns when the next try is open. Failures that come at the same moment wait for each other.
///
/// # Errors
/// The database does not answer.
pub async fn fail(on: &impl Executor, key: &ThrottleKey, pace: Pace) -> Result<OffsetDateTime, StorageError> {
    // The exponent has a bound of its own, so that no number overflows before the cap is applied.
    let left = format!(
        "case when t.failed_at < clock_timestamp() - make_interval(secs => $4) then 0
              else greatest(least(t.failures, $6::double precision) - $5::double precision * {HOURS}, 0) end"
    );
    let sql = format!(
        "insert into sign_in_throttle as t (key, failures, failed_at, open_at)
         values ($1, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => case when 1 > $2::double precision then 1 else 0 end))
         on conflict (key) do update set
             failures = least(({left}) + 1, $6),
             failed_at = case when ({left}) = 0 then clock_timestamp()
                              else t.failed_at + make_interval(secs => 3600 * {HOURS}) end,
             open_at = clock_timestamp() + make_interval(secs => case when ({left}) < $2 then 0
                 else least($3, power(2, ({left}) - $2)) end)
         returning open_at"
    );
    let row = sql::one(
        on,
        &sql,
        &[
            &key.as_slice(),
            &f64::from(pace.free_failures),
            &f64::from(pace.delay_seconds_max),
            &f64::from(pace.forget_seconds),
            &f64::from(pace.forgiven_per_hour),
            &f64::from(pace.failures_max()),
        ],
    )
    .await?;
    Ok(row.get(0))
}

/// Forgets the failures of a key, and knows it for so many days.
///
/// # Errors
/// The database does not answer.
pub async fn succeed(on: &impl Executor, key: &ThrottleKey, known_days: i32) -> Result<(), StorageError> {
    on.run(
        "insert into sign_in_throttle (key, known_until) values ($1, now() + make_interval(days => $2))
         on conflict (key) do update
             set failures = 0, open_at = 'epoch', known_until = excluded.known_until",
        &[&key.as_slice(), &known_days],
    )
    .await?;
    Ok(())
}

/// Forgets the failures of a key.
///
/// # Errors
/// The database does not answer.
pub async fn forget(on: &impl Executor, key: &ThrottleKey) -> Result<(), StorageError> {
    let sql = "update sign_in_throttle set failures = 0, open_at = 'epoch' where key = $1 and failures > 0";
    on.run(sql, &[&key.as_slice()]).await?;
    Ok(())
}

/// Removes what no longer says anything, at most `limit` rows.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(on: &impl Executor, forget_seconds: i32, limit: i64) -> Result<u64, StorageError> {
    on.run(
        "delete from sign_in_throttle where key in
             (select key from sign_in_throttle
              where failed_at < now() - make_interval(secs => $1) and known_until < now() and open_at < now()
              limit $2 for update skip locked)",
        &[&f64::from(forget_seconds), &limit],
    )
    .await
}
