//! Every interleaving of two threads on a rate cell and on a daily quota, run by loom: `make loom`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loom::sync::Arc;
use loom::thread;

use crate::limits::window::QuotaWindow;
use crate::{Gcra, Quota, Rate, Spacing};

fn spacing(burst: u32) -> Spacing {
    let count = |number| std::num::NonZeroU32::new(number).unwrap();
    Spacing::from(&Rate { burst: count(burst), ..Rate::new("rate", count(1), Duration::from_secs(3600)) })
}

#[test]
fn a_concurrent_refund_admits_no_more_than_the_burst() {
    loom::model(|| {
        let cell = Arc::new(Gcra::default());
        let spacing = spacing(2);
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                let stamp = cell.take(spacing, 1, 1).unwrap();
                cell.refund(spacing, 1, stamp, 1);
                usize::from(cell.take(spacing, 1, 1).is_ok())
            })
        };
        let own = usize::from(cell.take(spacing, 1, 1).is_ok());
        let passed = own + other.join().unwrap();
        assert_eq!(passed, 2);
        assert!(cell.probe(spacing, 1, 1).is_err(), "the burst is used up");
    });
}

#[test]
fn counts_a_take_during_a_change_of_the_rate() {
    loom::model(|| {
        let cell = Arc::new(Gcra::default());
        let (hourly, daily) = (
            spacing(2),
            Spacing::from(&Rate::new("rate", 4.try_into().unwrap(), Duration::from_secs(86_400))),
        );
        cell.take(hourly, 1, 1).unwrap();
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || usize::from(cell.take(hourly, 1, 1).is_ok()))
        };
        cell.change(daily, 1);
        let passed = 1 + other.join().unwrap();
        let left = (0..4).filter(|_| cell.take(daily, 1, 1).is_ok()).count();
        assert_eq!(passed + left, 4);
    });
}

#[test]
fn admits_one_of_two_requests_that_start_a_day_with_a_quota_of_one() {
    loom::model(|| {
        let window = Arc::new(QuotaWindow::default());
        let now = Timestamp::from_second(1_795_176_000).unwrap();
        let take = move |window: &QuotaWindow| {
            let quota = Quota::daily(1, TimeZone::UTC);
            usize::from(window.take(&quota, 1, now).is_ok())
        };
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || take(&window))
        };
        let own = take(&window);
        assert_eq!(own + other.join().unwrap(), 1);
    });
}

#[test]
fn a_refund_after_midnight_does_not_increase_the_new_quota() {
    loom::model(|| {
        let window = Arc::new(QuotaWindow::default());
        let quota = || Quota::daily(2, TimeZone::UTC);
        let today = Timestamp::from_second(1_795_176_000).unwrap();
        let tomorrow = Timestamp::from_second(1_795_176_000 + 86_400).unwrap();
        let taken = window.take(&quota(), 1, today).unwrap();
        let other = {
            let window = Arc::clone(&window);
            thread::spawn(move || window.refund(1, taken))
        };
        let day = window.take(&quota(), 1, tomorrow).unwrap();
        other.join().unwrap();
        assert_ne!(day, taken);
        assert_eq!(window.remaining(&quota(), tomorrow), 1);
    });
}
