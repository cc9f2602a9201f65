//! Days and grant months in a time zone. There are days of 23 and 25 hours, and days without midnight.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};
use serde::{Deserialize, Serialize};

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

/// A day of the month on which credits are granted: 1 to 31. In a month without it, the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct GrantDay(u8);

/// The number is not a day of any month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidGrantDay;

impl GrantDay {
    /// Returns the number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for GrantDay {
    type Error = InvalidGrantDay;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        (1..=31).contains(&number).then_some(Self(number)).ok_or(InvalidGrantDay)
    }
}

impl From<GrantDay> for u8 {
    fn from(day: GrantDay) -> Self {
        day.0
    }
}

impl fmt::Display for GrantDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for InvalidGrantDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grant day must be between 1 and 31")
    }
}

impl std::error::Error for InvalidGrantDay {}

/// A grant month: from one grant day to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// The grant day on which the month begins, in the plan's zone. Together with the account it identifies the grant.
    pub begins: Date,
    /// The first moment of the next month.
    pub end: Timestamp,
}

impl Month {
    /// Returns the grant month that contains `moment`. In a month without the grant day it is the last day.
    pub fn around(moment: Timestamp, grant_day: u8, zone: &TimeZone) -> Self {
        let today = zone.to_datetime(moment).date();
        // Counted from the first of the month, because a month later than the 31st may be the 28th.
        let grant_in = |month: Date| {
            let day = i8::try_from(grant_day.max(1)).unwrap_or(31).min(month.days_in_month());
            civil::Date::new(month.year(), month.month(), day).unwrap_or(month)
        };
        let this_month = today.first_of_month();
        let begins_in =
            if today >= grant_in(this_month) { this_month } else { this_month.saturating_sub(1.month()) };
        let next = grant_in(begins_in.saturating_add(1.month()));
        Self { begins: grant_in(begins_in), end: start_of(next, zone) }
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
            // useautumn/autumn#2115, chmonitor/chmonitor#2558: subscriptions begin on any day of the month.
            ("UTC", 31, "2026-01-31T00:00:00Z", "2026-01-31", "2026-02-28T00:00:00Z"),
            ("UTC", 31, "2026-02-28T00:00:00Z", "2026-02-28", "2026-03-31T00:00:00Z"),
            ("UTC", 31, "2026-03-30T23:59:59Z", "2026-02-28", "2026-03-31T00:00:00Z"),
            ("UTC", 30, "2028-02-29T00:00:00Z", "2028-02-29", "2028-03-30T00:00:00Z"),
            ("UTC", 30, "2028-02-28T00:00:00Z", "2028-01-30", "2028-02-29T00:00:00Z"),
            ("UTC", 31, "2026-04-30T12:00:00Z", "2026-04-30", "2026-05-31T00:00:00Z"),
            ("UTC", 29, "2026-12-31T12:00:00Z", "2026-12-29", "2027-01-29T00:00:00Z"),
            ("Asia/Tokyo", 1, "2026-11-30T16:00:00Z", "2026-12-01", "2026-12-31T15:00:00Z"),
        ] {
            let month = Month::around(moment.parse().unwrap(), day, &TimeZone::get(zone).unwrap());
            assert_eq!(month.begins.to_string(), begins, "{zone} {day} {moment}");
            assert_eq!(month.end, end.parse().unwrap(), "{zone} {day} {moment}");
        }
    }
}
