//! Every order in which two threads can meet on a cell and on a day's quota, tried by loom: `make loom`.

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
fn two_take_and_one_gives_back_and_no_more_pass_than_there_is() {
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
        assert!(cell.probe(spacing, 1, 1).is_err(), "both are gone");
    });
}

#[test]
fn who_takes_while_the_rate_changes_is_counted() {
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
fn one_of_two_gets_the_last_request_of_a_day_that_both_begin() {
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
fn what_is_given_back_over_midnight_makes_the_new_day_no_longer() {
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
