//! The credit balance against a model with one number, and its invariant at every step.

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
    /// The values add up, nothing is negative, and each month is granted once.
    #[test]
    fn a_balance_is_consistent_at_every_step(steps in steps(), amount in 0_u64..200, grant_day in 1_u8..=31) {
        let monthly = MonthlyCredits { amount, grant_day, zone: TimeZone::UTC };
        let mut wall: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        let mut balance = CreditBalance::default();
        let mut holds: Vec<HoldSource> = Vec::new();
        let (mut granted, mut posted) = (0, 0);
        let mut last_month = None;
        for step in steps {
            let before = balance.expired;
            let rolled = balance.roll_period(Some(&monthly), wall);
            prop_assert_eq!(rolled.expired.map_or(0, |expiry| expiry.amount), balance.expired - before);
            if let Some(grant) = rolled.granted {
                prop_assert!(Some(grant.month.begins) > last_month, "granted twice");
                last_month = Some(grant.month.begins);
                granted += grant.amount;
            }
            prop_assert_eq!(balance.roll_period(Some(&monthly), wall), Rollover::default());
            let before = balance.available();
            match step {
                Step::Wait(hours) => wall += SignedDuration::from_hours(hours),
                Step::Hold(amount) => {
                    let taken = balance.hold(amount);
                    prop_assert_eq!(taken.is_ok(), amount <= before);
                    prop_assert_eq!(balance.available(), if taken.is_ok() { before - amount } else { before });
                    holds.extend(taken);
                }
                Step::Post(which, used) if !holds.is_empty() => {
                    let source = holds.swap_remove(which.index(holds.len()));
                    let settled = balance.settle(source, Settlement::Post(used));
                    prop_assert_eq!(settled.posted, used.min(source.amount()));
                    prop_assert_eq!(settled.posted + settled.released + settled.expired, source.amount());
                    prop_assert_eq!(balance.available(), before + settled.released);
                    posted += settled.posted;
                }
                Step::Release(which) if !holds.is_empty() => {
                    let source = holds.swap_remove(which.index(holds.len()));
                    let settled = balance.settle(source, Settlement::Release);
                    prop_assert_eq!(settled.posted, 0);
                    prop_assert_eq!(balance.available(), before + settled.released);
                }
                Step::Post(..) | Step::Release(_) => {}
                Step::TopUp(amount) => {
                    balance.top_up(amount).unwrap();
                    granted += amount;
                }
            }
            prop_assert!(balance.is_consistent(), "{balance:?}");
            prop_assert_eq!(balance.held, holds.iter().map(HoldSource::amount).sum::<u64>());
            prop_assert_eq!((balance.granted, balance.posted), (granted, posted));
        }
    }
}

proptest! {
    #[test]
    fn each_month_grants_the_credits_of_its_largest_plan(
        changes in prop::collection::vec((0_i64..300, prop::option::of(0_u64..200), 0_u64..30), 1..60),
    ) {
        let mut wall: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut balance = CreditBalance::default();
        let mut largest = std::collections::BTreeMap::<_, u64>::new();
        for (hours, amount, spent) in changes {
            wall += SignedDuration::from_hours(hours);
            let monthly = amount.map(|amount| MonthlyCredits { amount, grant_day: 1, zone: TimeZone::UTC });
            balance.roll_period(monthly.as_ref(), wall);
            if let Some(monthly) = &monthly {
                let most = largest.entry(monthly.month(wall).begins).or_default();
                *most = monthly.amount.max(*most);
            }
            if let Ok(source) = balance.hold(spent) {
                balance.settle(source, Settlement::Post(spent));
            }
            prop_assert!(balance.is_consistent(), "{balance:?}");
            prop_assert_eq!(balance.granted, largest.values().sum::<u64>());
        }
    }
}

/// Tokyo's month ends nine hours before UTC's. An account that moves from one to the other in between already has the
/// month's grant.
#[test]
fn a_change_of_the_time_zone_grants_no_month_twice() -> Result<(), jiff::Error> {
    let monthly =
        |zone: &str| TimeZone::get(zone).map(|zone| MonthlyCredits { amount: 100, grant_day: 1, zone });
    let (tokyo, utc) = (monthly("Asia/Tokyo")?, monthly("UTC")?);
    let mut balance = CreditBalance::default();
    assert!(balance.roll_period(Some(&tokyo), "2026-11-20T00:00:00Z".parse()?).granted.is_some());
    assert!(balance.roll_period(Some(&utc), "2026-11-30T16:00:00Z".parse()?).granted.is_none());
    assert_eq!((balance.available(), balance.expired), (0, 100));
    assert!(balance.roll_period(Some(&utc), "2026-12-01T00:00:00Z".parse()?).granted.is_some());
    assert!(balance.is_consistent());
    Ok(())
}
