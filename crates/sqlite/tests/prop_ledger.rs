//! The ledger in SQLite against the one in memory: the same requests get the same results, in any batches and across
//! restarts.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{at, plans, start};
use demur_admission::memory::MemoryLedger;
use demur_admission::{
    AccountId, Claim, Command, Fingerprint, HoldId, HoldOutcome, HoldRequest, Ledger, MaybeFuture, Now,
    OperationId, Owner, Plan, Plans, RepeatPolicy, Reply, Settlement, StoreError,
};
use demur_sqlite::Store;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Hold { account: usize, operation: u8, repeats: Option<u8>, amount: u64 },
    Settle(prop::sample::Index, Settlement),
    Balance(usize),
    Wait(u64),
    Restart,
}

const ACCOUNTS: [&str; 3] = ["ann", "bob", "cyd"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hold = (0..ACCOUNTS.len(), 0_u8..12, prop::option::of(0_u8..2), 1_u64..60)
        .prop_map(|(account, operation, repeats, amount)| Step::Hold { account, operation, repeats, amount });
    let settlement = prop_oneof![Just(Settlement::Release), (0_u64..80).prop_map(Settlement::Post)];
    let step = prop_oneof![
        6 => hold,
        4 => (any::<prop::sample::Index>(), settlement).prop_map(|(which, how)| Step::Settle(which, how)),
        2 => (0..ACCOUNTS.len()).prop_map(Step::Balance),
        1 => (0_u64..20).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, Arc::new(Plans::new(plans()))).unwrap()
}

/// A claim that does not expire during the test.
fn claim_of(fingerprint: u8) -> Claim {
    let (fingerprint, owner) = (Fingerprint([fingerprint; 32]), Owner::this_process());
    let ttl = Duration::from_secs(100 * 365 * 24 * 3600);
    Claim { fingerprint, owner, ttl, repeats: RepeatPolicy::Replay }
}

fn request_hold(
    ledger: &dyn Ledger,
    request: &HoldRequest<'_>,
    fingerprint: Option<u8>,
) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
    match fingerprint {
        Some(fingerprint) => ledger.claim(request, &claim_of(fingerprint)),
        None => ledger.hold(request),
    }
}

const LEASE: Duration = Duration::from_secs(30);

fn paid() -> Plan {
    plans().into_iter().find(|plan| plan.name == "paid").unwrap()
}

/// Removes the hold ID, which differs between ledgers.
fn comparable(outcome: &HoldOutcome) -> HoldOutcome {
    match outcome {
        HoldOutcome::Held { balance, .. } => HoldOutcome::Held { hold: HoldId(0), balance: *balance },
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sqlite_returns_the_same_results_as_memory(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let (mut store, model) = (open(&path), MemoryLedger::new());
        let ids = ACCOUNTS.map(|name| name.parse::<AccountId>().unwrap());
        for id in &ids {
            let (account, name, plan) = (Some(id.clone()), id.to_string(), "paid".into());
            let made = store.execute(Command::CreateAccount { account, name, plan, grant_day: None }, start().wall);
            prop_assert!(matches!(made, Reply::Account(_)));
            // Creating an account shows its balance, which grants the monthly credits.
            model.balance(id, paid().credits.as_ref(), start()).block().unwrap();
        }
        let plan = paid();
        let monthly = plan.credits.as_ref();
        let mut now: Now = start();
        let mut days = 0;
        let mut holds: Vec<(HoldId, HoldId, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Hold { account, operation, repeats, amount } => {
                    let operation: OperationId = format!("operation-{operation}").parse().unwrap();
                    let (account, operation, lease) = (&ids[account], &operation, LEASE);
                    let request = HoldRequest { account, operation, amount, lease, monthly, now };
                    let found = request_hold(&*store, &request, repeats).block().unwrap();
                    let expected = request_hold(&model, &request, repeats).block().unwrap();
                    prop_assert_eq!(comparable(&found), comparable(&expected));
                    if let (HoldOutcome::Held { hold, .. }, HoldOutcome::Held { hold: other, .. }) = (found, expected) {
                        holds.push((hold, other, amount));
                    }
                }
                Step::Settle(which, settlement) if !holds.is_empty() => {
                    let (store_hold, model_hold, _) = holds.swap_remove(which.index(holds.len()));
                    // Not awaited: the next request still sees it.
                    drop(store.settle(store_hold, settlement));
                    model.settle(model_hold, settlement).block().unwrap();
                }
                Step::Settle(..) => {}
                Step::Balance(account) => {
                    let found = store.balance(&ids[account], monthly, now).block().unwrap();
                    prop_assert_eq!(found, model.balance(&ids[account], monthly, now).block().unwrap());
                }
                Step::Wait(more) => {
                    days += more;
                    now = at(Duration::from_secs(days * 24 * 3600));
                }
                Step::Restart => {
                    drop(store);
                    store = open(&path);
                    for (_, model_hold, amount) in holds.drain(..) {
                        model.settle(model_hold, Settlement::Post(amount)).block().unwrap();
                    }
                }
            }
        }
        let Reply::Verified { checks } = store.execute(Command::Verify, now.wall) else { panic!() };
        prop_assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
    }
}

#[test]
fn a_large_batch_charges_each_account_separately() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    let ids: Vec<AccountId> = (0..20).map(|number| format!("account-{number}").parse().unwrap()).collect();
    for id in &ids {
        let command = Command::CreateAccount {
            account: Some(id.clone()),
            name: String::new(),
            plan: "paid".into(),
            grant_day: None,
        };
        assert!(matches!(store.execute(command, start().wall), Reply::Account(_)));
    }
    let plan = paid();
    // All are queued before any is awaited, so they form few batches.
    let outcomes: Vec<_> = (0..4000)
        .map(|number| {
            let operation = format!("operation-{number}").parse().unwrap();
            let account = &ids[number % ids.len()];
            let (lease, monthly, now) = (LEASE, plan.credits.as_ref(), start());
            let request = HoldRequest { account, operation: &operation, amount: 1, lease, monthly, now };
            request_hold(&*store, &request, (number % 3 != 0).then_some(0))
        })
        .collect();
    let mut held = 0;
    for outcome in outcomes {
        match outcome.block().unwrap() {
            HoldOutcome::Held { hold, .. } => {
                held += 1;
                drop(store.settle(hold, Settlement::Post(1)));
            }
            HoldOutcome::Insufficient { available: 0, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 2000, "each of twenty accounts could pay one hundred");
    for id in &ids {
        let balance = store.balance(id, plan.credits.as_ref(), start()).block().unwrap();
        assert_eq!((balance.available, balance.held, balance.posted), (0, 0, 100));
    }
}
