//! When something is to be done again and again: five fields as cron has them, in UTC.

use std::ops::RangeInclusive;

use time::{Date, Duration, OffsetDateTime, Time};

/// Times that come again: `minute hour day-of-month month day-of-week`, each `*`, a number, `a-b`, `*/n`, `a-b/n`, or several of them
/// with commas in between. Sunday is 0 or 7. Where both days are restricted, either will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both are restricted.
    is_either_day: bool,
}

/// The 29th of February of a leap year that a century may be in the way of.
const DAYS_MAX: i64 = 8 * 366;

/// Behind a 29th of February.
const SOME_TIME: OffsetDateTime = time::macros::datetime!(2026-11-30 0:00 UTC);

impl Schedule {
    /// Reads five fields.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(
                "is not of the form 'minute hour day-of-month month day-of-week', such as '0 3 * * *'"
                    .to_owned(),
            );
        };
        let weekdays = field(weekday, "day-of-week", 0..=7)?;
        let schedule = Self {
            minutes: field(minute, "minute", 0..=59)?,
            hours: field(hour, "hour", 0..=23)?,
            days: field(day, "day-of-month", 1..=31)?,
            months: field(month, "month", 1..=12)?,
            weekdays: weekdays | (weekdays >> 7),
            is_either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let comes = schedule.last_until(SOME_TIME).is_some();
        comes.then_some(schedule).ok_or_else(|| "names a day that never comes".to_owned())
    }

    /// Is it time again, after what was done last?
    pub fn is_due(&self, last: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
        self.last_until(now).is_some_and(|due_at| last.is_none_or(|last| last < due_at))
    }

    /// The last of its times that is not after a moment.
    pub fn last_until(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let last = at.date();
        let days = (0..DAYS_MAX).filter_map(|days| last.checked_sub(Duration::days(days)));
        let mut times: Vec<Time> = self.times().collect();
        times.reverse();
        let mut days = days.filter(|day| self.has_day(*day));
        days.find_map(|day| {
            times.iter().map(|time| day.with_time(*time).assume_utc()).find(|time| *time <= at)
        })
    }

    fn has_day(&self, day: Date) -> bool {
        let is_day = has(self.days, day.day());
        let is_weekday = has(self.weekdays, day.weekday().number_days_from_sunday());
        let is_wanted = if self.is_either_day { is_day || is_weekday } else { is_day && is_weekday };
        has(self.months, day.month().into()) && is_wanted
    }

    fn times(&self) -> impl Iterator<Item = Time> {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| has(self.minutes, *minute));
            minutes.filter_map(move |minute| Time::from_hms(hour, minute, 0).ok())
        })
    }
}

fn has(numbers: u64, number: u8) -> bool {
    numbers & (1 << number) != 0
}

/// The numbers of a field, as bits.
fn field(text: &str, name: &str, all: RangeInclusive<u8>) -> Result<u64, String> {
    let wrong = || {
        let (first, last) = (all.start(), all.end());
        format!("has the {name} '{text}', which is not made of *, numbers from {first} to {last}, a-b and /n")
    };
    let mut numbers = 0;
    for part in text.split(',') {
        let (range, step) =
            part.split_once('/').map_or((part, Some(1)), |(range, step)| (range, step.parse().ok()));
        let step: usize = step.filter(|step| *step > 0).ok_or_else(wrong)?;
        let range = match range.split_once('-') {
            None if range == "*" => Some(all.clone()),
            None if part.contains('/') => None,
            None => range.parse().ok().map(|number| number..=number),
            Some((first, last)) => {
                first.parse().ok().zip(last.parse().ok()).map(|(first, last)| first..=last)
            }
        };
        let is_inside = |range: &RangeInclusive<u8>| {
            !range.is_empty() && all.contains(range.start()) && all.contains(range.end())
        };
        let range = range.filter(is_inside).ok_or_else(wrong)?;
        range.step_by(step).for_each(|number| numbers |= 1 << number);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn at(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &Rfc3339).expect("it is a time")
    }

    #[test]
    fn its_times_are_those_of_cron() {
        for (schedule, last, now) in [
            ("0 3 * * *", "2026-11-30T03:00:00Z", "2026-11-30T09:00:00Z"),
            ("0 3 * * *", "2026-11-30T03:00:00Z", "2026-11-30T03:00:00Z"),
            ("0 3 * * *", "2026-11-29T03:00:00Z", "2026-11-30T02:59:59Z"),
            ("*/20 0,12-13 * * *", "2026-11-29T13:40:00Z", "2026-11-29T23:59:59Z"),
            ("5-59/30 * * * *", "2026-11-30T08:35:00Z", "2026-11-30T09:04:59Z"),
            ("0 0 29 2 *", "2024-02-29T00:00:00Z", "2026-11-30T09:00:00Z"),
            ("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-28T09:00:00Z"),
            ("30 1 * * 7", "2026-11-29T01:30:00Z", "2026-11-30T09:00:00Z"),
            ("30 1 * * 1-5/2", "2026-11-27T01:30:00Z", "2026-11-30T01:00:00Z"),
            ("0 0 13 * 5", "2026-11-27T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("0 0 1 1 *", "2026-01-01T00:00:00Z", "2026-11-30T00:00:00Z"),
        ] {
            let read = Schedule::parse(schedule).expect("it is a schedule");
            assert_eq!(read.last_until(at(now)), Some(at(last)), "{schedule} until {now}");
            assert!(read.is_due(None, at(now)) && !read.is_due(Some(at(last)), at(now)), "{schedule}");
            assert!(read.is_due(Some(at(last) - Duration::SECOND), at(now)), "{schedule}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "daily",
            "0 3 * *",
            "0 3 * * * *",
            "60 3 * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * * 8",
            "0 0 30 2 *",
            "5/10 * * * *",
            "*/0 * * * *",
            "9-5 * * * *",
            "-5 * * * *",
            "1,,2 * * * *",
            "a * * * *",
            "0x1 * * * *",
            "256 * * * *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
