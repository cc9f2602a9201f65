//! The conformance suite for stores, which each store mounts with [`store_conformance!`](crate::store_conformance). For tests
//! only.

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
pub mod nodes;
pub mod tokens;

use std::collections::HashMap;
use std::mem::discriminant;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Account, AccountId, Admission, CacheConfig, Concurrency, ConnectionCache, Denial, GrantDay, Grants,
    ImportedForm, LimitBy, MonthlyCredits, Now, Pepper, Plan, Plans, Principal, Quota, QuotaUnit, Rate,
    Secret, Stores,
};

/// A store under test, initially empty.
pub trait Fixture: Sized {
    /// Returns the store.
    fn stores(&self) -> Stores;

    /// Returns the pepper of its keys.
    fn pepper(&self) -> Pepper;

    /// Adds an account.
    fn add_account(&self, account: &Account);

    /// Adds a key for the API `shop` with the prefix `shop`.
    fn add_key(&self, account: &Account, expires: Option<Timestamp>, grants: Grants, now: Now) -> Secret;

    /// Revokes the key with this secret.
    fn revoke(&self, principal: &Principal, now: Now);

    /// Rotates the key; the previous secret stays valid for `grace`.
    fn rotate(&self, principal: &Principal, grace: Duration, now: Now) -> Secret;

    /// Disables the key, or enables it again.
    fn set_disabled(&self, principal: &Principal, disabled: bool, now: Now);

    /// Imports a key of another system by its SHA-256 hash, for an existing account.
    fn import(&self, account: &Account, form: ImportedForm, sha256: [u8; 32], now: Now);

    /// Returns when the key was last used.
    fn last_used(&self, principal: &Principal) -> Option<Timestamp>;

    /// Sets the plan of an account.
    fn set_plan(&self, account: &AccountId, plan: &str, now: Now);

    /// Sets the grant day of an account.
    fn set_grant_day(&self, account: &AccountId, day: Option<GrantDay>, now: Now);

    /// Adds credits that do not expire.
    fn top_up(&self, account: &AccountId, amount: u64, now: Now);

    /// Waits until the store has announced the changes so far, if it announces them to its own node once more.
    fn await_announcements(&self) {}

    /// Makes the store's data inaccessible, or restores access; returns `false` if the store cannot become unavailable.
    fn set_unavailable(&self, unavailable: bool) -> bool;

    /// Returns the store after a restart of its process; `None` if nothing survives a process.
    fn restart(self) -> Option<Self>;
}

/// Returns a time of the suite: this long after 2026-11-20, 12:00 UTC, on both clocks.
pub fn at(offset: Duration) -> Now {
    let noon = Timestamp::new(1_795_176_000, 0).unwrap();
    Now {
        wall: noon + SignedDuration::try_from(offset).unwrap(),
        monotonic: Duration::from_secs(1000) + offset,
    }
}

/// Returns the first time of the suite.
pub fn start() -> Now {
    at(Duration::ZERO)
}

/// Returns the plans of the suite.
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
                Rate { limit_by: LimitBy::Key, ..rate("key", 2, 60) },
                Rate { limit_by: LimitBy::Address, ..rate("address", 3, 60) },
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

/// The store under test with an admission on it.
pub struct StoreUnderTest<F> {
    /// The store.
    pub fixture: F,
    /// The admission.
    pub admission: Arc<Admission>,
    /// A connection for each secret.
    connections: Mutex<HashMap<String, ConnectionCache>>,
}

impl<F: Fixture> StoreUnderTest<F> {
    /// Creates an admission on a store.
    pub fn new(fixture: F) -> Self {
        let plans = Arc::new(Plans::new(plans()));
        let admission = Admission::new(fixture.stores(), fixture.pepper(), plans, CacheConfig::default());
        Self { fixture, admission, connections: Mutex::default() }
    }

    /// Creates an account on a plan, with a key that has all grants.
    pub fn caller(&self, name: &str, plan: &str) -> (Secret, Arc<Principal>) {
        let account = Account {
            id: name.parse().unwrap(),
            name: name.to_owned(),
            plan: plan.to_owned(),
            grant_day: None,
        };
        self.fixture.add_account(&account);
        let secret = self.fixture.add_key(&account, None, Grants::default(), start());
        let principal = self.authenticate(&secret, start()).unwrap();
        (secret, principal)
    }

    /// Authenticates a secret.
    pub fn authenticate(&self, secret: &Secret, now: Now) -> Result<Arc<Principal>, Denial> {
        self.authenticate_text(secret.expose(), "shop", now)
    }

    /// Authenticates a text for an API. Asserts that the result does not depend on the connection's cache.
    pub fn authenticate_text(&self, key: &str, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
        let mut connections = self.connections.lock().unwrap();
        let connection = connections.entry(key.to_owned()).or_default();
        let authenticate = |over| self.admission.authenticate_over(over, key, api, "shop", now).block();
        let expected = authenticate(Some(connection));
        for other in [authenticate(None), authenticate(Some(connection))] {
            match (&other, &expected) {
                (Ok(other), Ok(expected)) => {
                    assert_eq!((other.key(), other.account()), (expected.key(), expected.account()));
                    assert_eq!(other.plan().active, expected.plan().active);
                }
                _ => {
                    assert_eq!(
                        other.as_ref().err().map(discriminant),
                        expected.as_ref().err().map(discriminant)
                    );
                }
            }
        }
        expected
    }
}

/// Mounts the suite: `store_conformance!(make)`, where `make` is a function that returns a new, empty [`Fixture`].
#[macro_export]
macro_rules! store_conformance {
    ($make:ident) => {
        $crate::store_conformance!($make, keys: [
            names_the_state_of_a_key_only_for_its_whole_secret,
            a_revocation_is_effective_when_it_returns,
            a_change_of_plan_takes_effect_at_once,
            accepts_both_secrets_during_the_grace_period,
            rotating_a_key_again_ends_its_oldest_secret,
            a_disabled_key_can_be_enabled_again,
            authenticates_an_imported_key_only_by_its_whole_text,
            records_the_last_use_to_the_minute,
        ]);
        $crate::store_conformance!($make, tokens: [
            a_token_acts_for_the_account_that_the_store_has,
            a_verified_token_is_cached_until_something_changes,
            an_unavailable_store_is_no_fault_of_a_token,
        ]);
        $crate::store_conformance!($make, limits: [
            a_rate_admits_its_burst_and_then_one_request_per_interval,
            reports_the_longest_wait_and_takes_nothing_when_denied,
            keeps_counts_across_a_change_of_plan,
            applies_the_rates_of_a_new_plan_at_once,
            frees_a_slot_when_its_request_ends,
            resets_the_daily_quota_at_midnight,
            a_quota_of_successes_does_not_count_failures,
            refunds_a_failure_to_the_day_that_counted_it,
            a_clock_that_is_set_back_grants_no_second_quota,
            refunded_requests_can_be_taken_again,
            rates_count_per_account_key_address_and_operation,
            a_shadow_limit_records_but_never_rejects,
            keeps_quota_counts_across_a_restart,
        ]);
        $crate::store_conformance!($make, credits: [
            posts_releases_or_splits_a_hold,
            reports_the_available_credits_when_they_are_insufficient,
            distinguishes_held_from_spent_credits,
            charges_an_operation_once,
            grants_monthly_credits_once_and_expires_them,
            a_larger_plan_grants_the_difference_at_once_and_once,
            an_account_may_have_its_own_grant_day,
            a_dropped_hold_settles_by_the_progress_of_the_request,
            one_hundred_credits_pay_for_one_hundred_of_two_hundred_concurrent_requests,
            a_restart_keeps_charges_and_posts_open_holds,
        ]);
        $crate::store_conformance!($make, idempotency: [
            a_repeat_gets_the_outcome_of_the_first_request,
            two_accounts_may_use_the_same_idempotency_key,
            one_of_many_concurrent_requests_executes,
            forwards_a_bounded_number_of_repeats,
            a_response_expires_before_its_operation_is_forgotten,
            evicts_the_oldest_responses_of_an_account,
            completes_the_claim_of_an_owner_that_has_gone,
            reads_a_response_only_for_its_account_and_request,
            a_restart_keeps_responses_and_executes_nothing_again,
        ]);
        $crate::store_conformance!($make, faults: [
            an_unavailable_store_is_an_error_and_not_an_unknown_key,
            charges_nothing_that_cannot_be_written,
            writes_settlements_after_an_outage,
            posts_completed_operations_without_their_response_after_an_outage,
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

/// Mounts the rules about several nodes: `node_conformance!(make)`, where `make` is a function that returns a new, empty
/// [`SharedFixture`](nodes::SharedFixture).
#[macro_export]
macro_rules! node_conformance {
    ($make:ident) => {
        $crate::store_conformance!($make, nodes: [
            nodes_share_balances_and_keys,
            nodes_do_not_spend_the_same_credits,
            nodes_execute_a_named_operation_once,
            changes_reach_the_other_node,
            holds_of_a_killed_node_are_posted_after_its_lease,
            holds_of_a_live_node_stay_open,
            a_paused_node_does_not_settle_what_others_have_resolved,
            a_wrong_clock_harms_no_other_node,
        ]);
    };
}
