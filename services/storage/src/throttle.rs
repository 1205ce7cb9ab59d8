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
    /// After so many seconds without a failure the earlier ones are forgotten.
    pub forget_seconds: i32,
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
pub async fn read<const N: usize>(
    on: &impl Executor,
    keys: [&ThrottleKey; N],
) -> Result<[Known; N], StorageError> {
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
    Ok(keys.map(|key| {
        let row = rows.iter().find(|row| row.get::<_, &[u8]>(0) == key);
        row.map_or(nothing, |row| Known {
            wait_seconds: u32::try_from(row.get::<_, i64>(1)).unwrap_or(u32::MAX),
            is_known: row.get(2),
        })
    }))
}

/// Counts a failure, and returns when the next try is open. Failures that come at the same moment wait for each other.
///
/// # Errors
/// The database does not answer.
pub async fn fail(on: &impl Executor, key: &ThrottleKey, pace: Pace) -> Result<OffsetDateTime, StorageError> {
    // The exponent has a bound of its own, so that no number overflows before the cap is applied.
    let row = sql::one(
        on,
        "insert into sign_in_throttle as t (key, failures, failed_at, open_at)
         values ($1, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => case when 1 > $2 then 1 else 0 end))
         on conflict (key) do update set
             failures = case when t.failed_at < clock_timestamp() - make_interval(secs => $4) then 1
                             else least(t.failures, 1000000) + 1 end,
             failed_at = clock_timestamp(),
             open_at = clock_timestamp() + make_interval(secs => case
                 when t.failed_at < clock_timestamp() - make_interval(secs => $4) then case when 1 > $2 then 1 else 0 end
                 when t.failures + 1 <= $2 then 0
                 else least($3, power(2, least(t.failures - $2, 30))) end)
         returning open_at",
        &[
            &key.as_slice(),
            &pace.free_failures,
            &f64::from(pace.delay_seconds_max),
            &f64::from(pace.forget_seconds),
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
