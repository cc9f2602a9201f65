//! The purse against a model with one number, and its own invariant at every step.

use demur_admission::{CreditBalance, HoldSource, MonthlyCredits, Rollover, Settlement};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Hold(u64),
    Post(prop::sample::Index, u64),
    Release(prop::sample::Index),
    TopUp(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        (0_i64..400).prop_map(Step::Wait),
        (1_u64..40).prop_map(Step::Hold),
        (1_u64..40).prop_map(Step::Hold),
        (index(), 0_u64..50).prop_map(|(which, used)| Step::Post(which, used)),
        index().prop_map(Step::Release),
        (1_u64..30).prop_map(Step::TopUp),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    /// Nothing is made from nothing, nothing vanishes, nothing is below zero, each month is granted once.
    #[test]
    fn a_purse_is_sound_at_every_step(steps in steps(), amount in 0_u64..200, grant_day in 1_u8..=28) {
        let monthly = MonthlyCredits { amount, grant_day, zone: TimeZone::UTC };
        let mut wall: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        let mut purse = CreditBalance::default();
        let mut holds: Vec<HoldSource> = Vec::new();
        let (mut granted, mut posted) = (0, 0);
        let mut last_month = None;
        for step in steps {
            let before = purse.expired;
            let rolled = purse.roll_period(Some(&monthly), wall);
            prop_assert_eq!(rolled.expired.map_or(0, |expiry| expiry.amount), purse.expired - before);
            if let Some(grant) = rolled.granted {
                prop_assert!(Some(grant.month.begins) > last_month, "granted twice");
                last_month = Some(grant.month.begins);
                granted += grant.amount;
            }
            prop_assert_eq!(purse.roll_period(Some(&monthly), wall), Rollover::default());
            let before = purse.available();
            match step {
                Step::Wait(hours) => wall += SignedDuration::from_hours(hours),
                Step::Hold(amount) => {
                    let taken = purse.hold(amount);
                    prop_assert_eq!(taken.is_ok(), amount <= before);
                    prop_assert_eq!(purse.available(), if taken.is_ok() { before - amount } else { before });
                    holds.extend(taken);
                }
                Step::Post(which, used) if !holds.is_empty() => {
                    let source = holds.swap_remove(which.index(holds.len()));
                    let booking = purse.settle(source, Settlement::Post(used));
                    prop_assert_eq!(booking.posted, used.min(source.amount()));
                    prop_assert_eq!(booking.posted + booking.released + booking.expired, source.amount());
                    prop_assert_eq!(purse.available(), before + booking.released);
                    posted += booking.posted;
                }
                Step::Release(which) if !holds.is_empty() => {
                    let source = holds.swap_remove(which.index(holds.len()));
                    let booking = purse.settle(source, Settlement::Release);
                    prop_assert_eq!(booking.posted, 0);
                    prop_assert_eq!(purse.available(), before + booking.released);
                }
                Step::Post(..) | Step::Release(_) => {}
                Step::TopUp(amount) => {
                    purse.top_up(amount).unwrap();
                    granted += amount;
                }
            }
            prop_assert!(purse.is_consistent(), "{purse:?}");
            prop_assert_eq!(purse.held, holds.iter().map(HoldSource::amount).sum::<u64>());
            prop_assert_eq!((purse.granted, purse.posted), (granted, posted));
        }
    }
}

proptest! {
    /// In each month as much comes in as the largest of its plans grants, however plans are changed.
    #[test]
    fn a_month_has_what_its_largest_plan_grants(
        changes in prop::collection::vec((0_i64..300, prop::option::of(0_u64..200), 0_u64..30), 1..60),
    ) {
        let mut wall: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut purse = CreditBalance::default();
        let mut largest = std::collections::BTreeMap::<_, u64>::new();
        for (hours, amount, spent) in changes {
            wall += SignedDuration::from_hours(hours);
            let monthly = amount.map(|amount| MonthlyCredits { amount, grant_day: 1, zone: TimeZone::UTC });
            purse.roll_period(monthly.as_ref(), wall);
            if let Some(monthly) = &monthly {
                let most = largest.entry(monthly.month(wall).begins).or_default();
                *most = monthly.amount.max(*most);
            }
            if let Ok(source) = purse.hold(spent) {
                purse.settle(source, Settlement::Post(spent));
            }
            prop_assert!(purse.is_consistent(), "{purse:?}");
            prop_assert_eq!(purse.granted, largest.values().sum::<u64>());
        }
    }
}

/// Tokyo's month ends nine hours before that of UTC. Whoever moves from one to the other in between has had
/// the month's grant already.
#[test]
fn a_change_of_zone_grants_no_month_twice() -> Result<(), jiff::Error> {
    let monthly =
        |zone: &str| TimeZone::get(zone).map(|zone| MonthlyCredits { amount: 100, grant_day: 1, zone });
    let (tokyo, utc) = (monthly("Asia/Tokyo")?, monthly("UTC")?);
    let mut purse = CreditBalance::default();
    assert!(purse.roll_period(Some(&tokyo), "2026-11-20T00:00:00Z".parse()?).granted.is_some());
    assert!(purse.roll_period(Some(&utc), "2026-11-30T16:00:00Z".parse()?).granted.is_none());
    assert_eq!((purse.available(), purse.expired), (0, 100));
    assert!(purse.roll_period(Some(&utc), "2026-12-01T00:00:00Z".parse()?).granted.is_some());
    assert!(purse.is_consistent());
    Ok(())
}
