//! Days and grant months in a time zone. Days of 23 and 25 hours exist, and so do days without midnight.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};

/// A stretch of time, `start` included and `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Period {
    /// The calendar day around `moment`.
    pub fn day(moment: Timestamp, zone: &TimeZone) -> Self {
        let date = zone.to_datetime(moment).date();
        Self { start: start_of(date, zone), end: start_of(date.saturating_add(1.day()), zone) }
    }

    /// Whether the moment lies within.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }
}

/// A grant month: from one grant day to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// The grant day with which it begins, in the plan's zone. With the account it names the grant.
    pub begins: Date,
    /// The first moment of the next one.
    pub end: Timestamp,
}

impl Month {
    /// The grant month around `moment`. Days past the 28th do not exist in every month, so `grant_day` is
    /// held to 1..=28.
    pub fn around(moment: Timestamp, grant_day: u8, zone: &TimeZone) -> Self {
        let today = zone.to_datetime(moment).date();
        let day = i8::try_from(grant_day.clamp(1, 28)).unwrap_or(28);
        let in_this_month = civil::Date::new(today.year(), today.month(), day).unwrap_or(today);
        let begins =
            if today >= in_this_month { in_this_month } else { in_this_month.saturating_sub(1.month()) };
        Self { begins, end: start_of(begins.saturating_add(1.month()), zone) }
    }
}

/// The first moment of a date: midnight, or what comes in its place where the clocks skip midnight.
fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    zone.to_ambiguous_zoned(date.at(0, 0, 0, 0))
        .compatible()
        .map_or(if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_long_as_the_zone_says() {
        for (zone, moment, hours) in [
            ("UTC", "2026-11-20T12:00:00Z", 24),
            ("Europe/Berlin", "2026-03-29T12:00:00Z", 23),
            ("Europe/Berlin", "2026-10-25T12:00:00Z", 25),
            ("America/New_York", "2026-03-08T12:00:00Z", 23),
            ("Australia/Lord_Howe", "2026-06-01T12:00:00Z", 24),
            // Midnight does not exist on this day: it begins at 01:00.
            ("Africa/Cairo", "2026-04-24T12:00:00Z", 23),
        ] {
            let day = Period::day(moment.parse().unwrap(), &TimeZone::get(zone).unwrap());
            assert_eq!(day.end.duration_since(day.start).as_hours(), hours, "{zone} {moment}");
            assert!(day.contains(moment.parse().unwrap()));
        }
    }

    #[test]
    fn a_grant_month_begins_on_its_day_in_its_zone() {
        for (zone, day, moment, begins, end) in [
            ("UTC", 1, "2026-11-20T12:00:00Z", "2026-11-01", "2026-12-01T00:00:00Z"),
            ("UTC", 28, "2026-11-20T12:00:00Z", "2026-10-28", "2026-11-28T00:00:00Z"),
            ("UTC", 20, "2026-11-20T00:00:00Z", "2026-11-20", "2026-12-20T00:00:00Z"),
            ("UTC", 15, "2026-01-02T00:00:00Z", "2025-12-15", "2026-01-15T00:00:00Z"),
            ("Asia/Tokyo", 1, "2026-11-30T16:00:00Z", "2026-12-01", "2026-12-31T15:00:00Z"),
        ] {
            let month = Month::around(moment.parse().unwrap(), day, &TimeZone::get(zone).unwrap());
            assert_eq!(month.begins.to_string(), begins, "{zone} {day} {moment}");
            assert_eq!(month.end, end.parse().unwrap(), "{zone} {day} {moment}");
        }
    }
}
