//! Days and grant months in a time zone. There are days of 23 and 25 hours, and days without midnight.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};

/// A period of time: `start` is included, `end` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after the period.
    pub end: Timestamp,
}

impl Period {
    /// Returns the calendar day that contains `moment`.
    pub fn day(moment: Timestamp, zone: &TimeZone) -> Self {
        let date = zone.to_datetime(moment).date();
        Self { start: start_of(date, zone), end: start_of(date.saturating_add(1.day()), zone) }
    }

    /// Whether the period contains a moment.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }
}

/// A grant month: from one grant day to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// The grant day on which the month begins, in the plan's zone. Together with the account it identifies the grant.
    pub begins: Date,
    /// The first moment of the next month.
    pub end: Timestamp,
}

impl Month {
    /// Returns the grant month that contains `moment`. `grant_day` is clamped to 1..=28, since later days do not exist in
    /// every month.
    pub fn around(moment: Timestamp, grant_day: u8, zone: &TimeZone) -> Self {
        let today = zone.to_datetime(moment).date();
        let day = i8::try_from(grant_day.clamp(1, 28)).unwrap_or(28);
        let in_this_month = civil::Date::new(today.year(), today.month(), day).unwrap_or(today);
        let begins =
            if today >= in_this_month { in_this_month } else { in_this_month.saturating_sub(1.month()) };
        Self { begins, end: start_of(begins.saturating_add(1.month()), zone) }
    }
}

/// Returns the first moment of a date: midnight, or the moment after the gap if the clocks skip midnight.
fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    zone.to_ambiguous_zoned(date.at(0, 0, 0, 0))
        .compatible()
        .map_or(if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_length_that_their_zone_defines() {
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
    fn grant_months_begin_on_the_grant_day_in_the_zone() {
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
