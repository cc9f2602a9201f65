//! What every store must do: one suite, mounted under each of them with
//! [`store_conformance!`](crate::store_conformance). For tests only.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test suite, in the library so that every store's tests can mount it"
)]

pub mod credits;
pub mod faults;
pub mod idempotency;
pub mod keys;
pub mod limits;

use std::collections::HashMap;
use std::mem::discriminant;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Account, AccountId, Admission, CacheConfig, Concurrency, ConnectionCache, CountsFor, Denial, Grants,
    ImportedForm, MonthlyCredits, Now, Pepper, Plan, Plans, Principal, Quota, QuotaUnit, Rate, Secret,
    Stores,
};

/// A store under test, empty at first.
pub trait Fixture: Sized {
    /// The store.
    fn stores(&self) -> Stores;

    /// The pepper of its keys.
    fn pepper(&self) -> Pepper;

    /// Adds an account.
    fn add_account(&self, account: &Account);

    /// Adds a key for the API `shop` with the prefix `shop`.
    fn add_key(&self, account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> Secret;

    /// Revokes the key with this secret.
    fn revoke(&self, principal: &Principal, now: Now);

    /// Gives the key another secret; the one before it opens for `grace` still.
    fn rotate(&self, principal: &Principal, grace: Duration, now: Now) -> Secret;

    /// Puts the key out of use, or back.
    fn set_disabled(&self, principal: &Principal, disabled: bool, now: Now);

    /// Takes over a key of another system by its SHA-256, for an account that is there.
    fn import(&self, account: &Account, form: ImportedForm, sha256: [u8; 32], now: Now);

    /// When the key was used last.
    fn last_used(&self, principal: &Principal) -> Option<Timestamp>;

    /// Puts an account on another plan.
    fn set_plan(&self, account: &AccountId, plan: &str, now: Now);

    /// Adds credits that do not expire.
    fn top_up(&self, account: &AccountId, amount: u64, now: Now);

    /// Takes away what the store keeps its data in, or gives it back as it was; `false` where there is nothing that
    /// could be taken away.
    fn set_out_of_reach(&self, out_of_reach: bool) -> bool;

    /// The same store after its process ended and began again; `None` where nothing outlives a process.
    fn restart(self) -> Option<Self>;
}

/// A moment of the suite: this long after 2026-11-20, 12:00 UTC, on both clocks.
pub fn at(offset: Duration) -> Now {
    let noon = Timestamp::new(1_795_176_000, 0).unwrap();
    Now {
        wall: noon + SignedDuration::try_from(offset).unwrap(),
        monotonic: Duration::from_secs(1000) + offset,
    }
}

/// The suite's first moment.
pub fn start() -> Now {
    at(Duration::ZERO)
}

/// The plans that the suite uses.
pub fn plans() -> Vec<Plan> {
    let one = NonZeroU32::MIN;
    let rate = |name: &str, requests: u32, seconds| {
        Rate::new(name, NonZeroU32::new(requests).unwrap(), Duration::from_secs(seconds))
    };
    let quota = |requests, counts| Some(Quota { counts, ..Quota::daily(requests, TimeZone::UTC) });
    let shadow_quota = Quota { shadow: true, ..Quota::daily(1, TimeZone::UTC) };
    let monthly = |amount| Some(MonthlyCredits { amount, grant_day: 1, zone: TimeZone::UTC });
    vec![
        Plan::named("open"),
        Plan { active: false, ..Plan::named("lapsed") },
        Plan { features: ["export".to_owned()].into(), ..Plan::named("featured") },
        Plan { rates: vec![rate("burst", 3, 3), rate("slow", 5, 60)], ..Plan::named("rated") },
        Plan { rates: vec![rate("burst", 30, 3), rate("slow", 5, 60)], ..Plan::named("faster") },
        Plan { rates: vec![rate("burst", 3, 24 * 3600)], ..Plan::named("trickle") },
        Plan { rates: vec![rate("burst", 30, 3)], ..Plan::named("flood") },
        Plan { concurrency: Some(Concurrency::of(one.saturating_add(1))), ..Plan::named("narrow") },
        Plan { quota: quota(3, QuotaUnit::Attempts), ..Plan::named("daily") },
        Plan { quota: quota(3, QuotaUnit::Successes), ..Plan::named("successes") },
        Plan {
            rates: vec![rate("burst", 10, 10)],
            quota: quota(2, QuotaUnit::Attempts),
            ..Plan::named("both")
        },
        Plan {
            rates: vec![
                Rate { counts_for: CountsFor::Key, ..rate("key", 2, 60) },
                Rate { counts_for: CountsFor::Address, ..rate("address", 3, 60) },
                Rate { operations: ["export".to_owned()].into(), ..rate("exports", 1, 60) },
                rate("account", 6, 60),
                rate("fifth", 100, 60),
            ],
            ..Plan::named("apart")
        },
        Plan {
            rates: vec![Rate { shadow: true, ..rate("tried", 1, 60) }, rate("slow", 3, 60)],
            concurrency: Some(Concurrency { slots: one, shadow: true }),
            quota: Some(shadow_quota),
            ..Plan::named("shadowed")
        },
        Plan { credits: monthly(2), ..Plan::named("poor") },
        Plan { credits: monthly(100), ..Plan::named("paid") },
        Plan { credits: monthly(1000), ..Plan::named("dear") },
    ]
}

/// A door in front of the store under test.
pub struct StoreUnderTest<F> {
    /// The store.
    pub fixture: F,
    /// The door.
    pub admission: Arc<Admission>,
    /// For each secret a connection over which it always comes.
    connections: Mutex<HashMap<String, ConnectionCache>>,
}

impl<F: Fixture> StoreUnderTest<F> {
    /// A door in front of this store.
    pub fn new(fixture: F) -> Self {
        let plans = Arc::new(Plans::new(plans()));
        let admission = Admission::new(fixture.stores(), fixture.pepper(), plans, CacheConfig::default());
        Self { fixture, admission, connections: Mutex::default() }
    }

    /// An account on this plan, with a key that can do everything.
    pub fn caller(&self, name: &str, plan: &str) -> (Secret, Arc<Principal>) {
        let account = Account { id: name.parse().unwrap(), name: name.to_owned(), plan: plan.to_owned() };
        self.fixture.add_account(&account);
        let secret = self.fixture.add_key(&account, None, Grants::default(), start());
        let principal = self.authenticate(&secret, start()).unwrap();
        (secret, principal)
    }

    /// Who has this secret.
    pub fn authenticate(&self, secret: &Secret, now: Now) -> Result<Arc<Principal>, Denial> {
        self.ask(secret.expose(), "shop", now)
    }

    /// Who has the key with this text, for this API. It makes no difference whether it comes over a connection that
    /// remembers its caller.
    pub fn ask(&self, key: &str, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
        let mut connections = self.connections.lock().unwrap();
        let connection = connections.entry(key.to_owned()).or_default();
        let ask = |over| self.admission.authenticate_over(over, key, api, "shop", now).block();
        let known = ask(Some(connection));
        for other in [ask(None), ask(Some(connection))] {
            match (&other, &known) {
                (Ok(other), Ok(known)) => {
                    assert_eq!((other.key(), other.account()), (known.key(), known.account()));
                    assert_eq!(other.plan().active, known.plan().active);
                }
                _ => {
                    assert_eq!(
                        other.as_ref().err().map(discriminant),
                        known.as_ref().err().map(discriminant)
                    );
                }
            }
        }
        known
    }
}

/// Mounts the suite: `store_conformance!(make)`, where `make` is a function that returns a new, empty
/// [`Fixture`].
#[macro_export]
macro_rules! store_conformance {
    ($make:ident) => {
        $crate::store_conformance!($make, keys: [
            each_state_of_a_key_is_named_to_its_owner_only,
            a_revocation_is_effective_when_it_returns,
            a_change_of_plan_takes_effect_at_once,
            a_rotated_key_has_two_secrets_for_a_grace,
            a_key_rotated_twice_has_two_secrets_and_not_three,
            a_disabled_key_comes_back,
            an_imported_hash_opens_for_the_whole_key,
            the_last_use_is_known_to_the_minute,
        ]);
        $crate::store_conformance!($make, limits: [
            a_rate_lets_its_burst_pass_and_then_keeps_its_pace,
            the_longest_denial_decides_and_siblings_take_nothing,
            a_change_of_plan_resets_no_counter,
            a_change_of_plan_is_felt_at_once,
            a_slot_is_free_again_when_its_request_ends,
            a_quota_begins_anew_at_midnight,
            a_quota_of_successes_counts_no_failures,
            a_failure_is_given_back_to_the_day_that_counted_it,
            a_wall_clock_put_back_gives_no_second_quota,
            what_was_given_back_can_be_taken_again,
            rates_count_for_whom_and_what_they_say,
            a_limit_in_the_shadow_refuses_nobody_and_says_so,
            a_quota_outlives_a_restart,
        ]);
        $crate::store_conformance!($make, credits: [
            a_hold_is_posted_released_or_split,
            who_cannot_pay_is_told_what_there_is,
            held_credits_are_told_from_spent_ones,
            one_operation_is_charged_once,
            the_monthly_grant_is_made_once_and_expires,
            a_larger_plan_brings_the_difference_at_once_and_once,
            a_dropped_hold_settles_by_how_far_the_request_came,
            two_hundred_race_for_one_hundred,
            a_restart_keeps_what_was_acknowledged_and_posts_what_was_held,
        ]);
        $crate::store_conformance!($make, idempotency: [
            a_repeat_gets_what_the_first_came_to,
            two_accounts_may_use_one_name,
            one_of_many_executes,
            repeats_are_forwarded_within_their_bound,
            a_response_expires_before_its_operation_is_forgotten,
            the_oldest_responses_of_an_account_are_evicted,
            a_claim_of_an_owner_that_is_gone_is_completed,
            a_response_is_read_by_its_account_and_request_only,
            a_restart_keeps_responses_and_runs_nothing_again,
        ]);
        $crate::store_conformance!($make, faults: [
            a_store_out_of_reach_is_trouble_and_no_unknown_key,
            what_cannot_be_written_is_not_charged,
            what_was_settled_meanwhile_is_written_afterwards,
            what_was_completed_meanwhile_is_posted_without_its_response,
        ]);
    };
    ($make:ident, $part:ident: [$($rule:ident),* $(,)?]) => {
        mod $part {
            $(
                #[test]
                fn $rule() {
                    $crate::conformance::$part::$rule(super::$make());
                }
            )*
        }
    };
}
