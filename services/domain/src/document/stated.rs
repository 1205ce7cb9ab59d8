//! Times that devices state.

use time::OffsetDateTime;
use time::macros::datetime;

/// The last second that a stated time may name. Later ones, and those before 1970, are what a clock says that was never set.
const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

/// A time that a device stated. It is kept as it was sent and may be anything; shown is only what RFC 3339 can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedTime {
    /// The time, if it lies between 1970 and 9999.
    pub at: Option<OffsetDateTime>,
    /// True where the device stated a time that does not.
    pub is_suspect: bool,
}

impl StatedTime {
    /// The time in seconds since 1970.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Self {
        let is_in_bounds = (0..=LAST.unix_timestamp()).contains(&seconds);
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| is_in_bounds);
        Self { at, is_suspect: at.is_none() }
    }

    /// The same for a change, where 0 means that none is stated.
    #[must_use]
    pub fn of_change(seconds: i64) -> Self {
        if seconds == 0 { Self { at: None, is_suspect: false } } else { Self::of_seconds(seconds) }
    }
}
