//! Every line of a statement has the balance that the account had then.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{at, plans, start};
use demur_admission::{
    AccountId, Claim, Command, Fingerprint, HoldId, HoldOutcome, HoldRequest, Ledger, Now, OperationId,
    Owner, Plan, Plans, RepeatPolicy, Reply, Settlement, StatementEntry, StatementKind,
};
use demur_sqlite::Store;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Hold { named: bool, operation: u8, amount: u64 },
    Settle(prop::sample::Index, Settlement),
    TopUp(u64),
    Withdraw(u64),
    Refund(u8),
    SetPlan(usize),
    Wait(u64),
    Restart,
}

const PLANS: [&str; 3] = ["paid", "dear", "open"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hold = (any::<bool>(), 0_u8..8, 1_u64..60).prop_map(|(named, operation, amount)| Step::Hold {
        named,
        operation,
        amount,
    });
    let settlement = prop_oneof![Just(Settlement::Release), (0_u64..60).prop_map(Settlement::Post)];
    let step = prop_oneof![
        6 => hold,
        5 => (any::<prop::sample::Index>(), settlement).prop_map(|(which, how)| Step::Settle(which, how)),
        1 => (1_u64..50).prop_map(Step::TopUp),
        1 => (1_u64..50).prop_map(Step::Withdraw),
        1 => (0_u8..8).prop_map(Step::Refund),
        1 => (0..PLANS.len()).prop_map(Step::SetPlan),
        2 => (0_u64..25).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..50)
}

/// An account with its store, and the history of its balance.
struct Subject<'p> {
    path: &'p Path,
    /// `None` while it is reopened.
    store: Option<Arc<Store>>,
    account: AccountId,
    plan: Plan,
    now: Now,
    days: u64,
    holds: Vec<HoldId>,
    /// The balance, available and held, whenever it changed.
    observed: Vec<i64>,
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, Arc::new(Plans::new(plans()))).unwrap()
}

fn plan(name: &str) -> Plan {
    plans().into_iter().find(|plan| plan.name == name).unwrap()
}

impl<'p> Subject<'p> {
    fn new(path: &'p Path) -> Self {
        let (store, account) = (open(path), "acme".parse::<AccountId>().unwrap());
        let (id, name) = (Some(account.clone()), "Acme".to_owned());
        store.execute(
            Command::CreateAccount { account: id, name, plan: "paid".into(), grant_day: None },
            start().wall,
        );
        let (plan, now, holds) = (plan("paid"), start(), Vec::new());
        Self { path, store: Some(store), account, plan, now, days: 0, holds, observed: vec![0] }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Hold { named, operation, amount } => self.hold(named, operation, amount),
            Step::Settle(which, settlement) if !self.holds.is_empty() => {
                let hold = self.holds.swap_remove(which.index(self.holds.len()));
                self.store().settle(hold, settlement).block().unwrap();
            }
            Step::Settle(..) => {}
            Step::TopUp(amount) => {
                let (account, reason) = (self.account.clone(), "bought".into());
                self.execute(Command::TopUp { account, amount, reason, operation: None });
            }
            Step::Withdraw(amount) => {
                let (account, reason) = (self.account.clone(), "mistake".into());
                self.execute(Command::Withdraw { account, amount, reason, operation: None });
            }
            Step::Refund(operation) => {
                let (account, reason) = (self.account.clone(), "no help".into());
                let operation = format!("named-{operation}").parse().unwrap();
                self.execute(Command::Refund { account, operation, amount: None, reason });
            }
            Step::SetPlan(which) => {
                let (account, name) = (self.account.clone(), PLANS[which]);
                self.plan = plan(name);
                self.execute(Command::SetPlan { account, plan: name.into() });
            }
            Step::Wait(days) => {
                self.days += days;
                self.now = at(Duration::from_secs(self.days * 24 * 3600));
            }
            Step::Restart => {
                self.holds.clear();
                self.store = None;
                self.store = Some(open(self.path));
            }
        }
        self.observe();
    }

    /// Executes a command, which may be rejected.
    fn execute(&self, command: Command) {
        self.store().execute(command, self.now.wall);
    }

    fn hold(&mut self, named: bool, operation: u8, amount: u64) {
        let kind = if named { "named" } else { "single" };
        let operation: OperationId = format!("{kind}-{operation}").parse().unwrap();
        let (account, operation, monthly) = (&self.account, &operation, self.plan.credits.as_ref());
        let (lease, now) = (Duration::from_secs(30), self.now);
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let (fingerprint, owner) = (Fingerprint([1; 32]), Owner::this_process());
        let ttl = Duration::from_secs(100 * 365 * 24 * 3600);
        let claim = Claim { fingerprint, owner, ttl, repeats: RepeatPolicy::Replay };
        let outcome = if named { self.store().claim(&request, &claim) } else { self.store().hold(&request) };
        if let HoldOutcome::Held { hold, .. } = outcome.block().unwrap() {
            self.holds.push(hold);
        }
    }

    fn observe(&mut self) {
        let balance = self.store().balance(&self.account, self.plan.credits.as_ref(), self.now);
        let balance = balance.block().unwrap();
        let total = i64::try_from(balance.available + balance.held).unwrap();
        if self.observed.last() != Some(&total) {
            self.observed.push(total);
        }
    }

    fn statement(&self, limit: u32) -> (i64, Vec<StatementEntry>, bool) {
        let command = Command::Statement { account: self.account.clone(), since: None, limit };
        match self.store().execute(command, self.now.wall) {
            Reply::Statement { account, entries, more } => {
                let total = account.credits.available + account.credits.held;
                (i64::try_from(total).unwrap(), entries, more)
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_line_of_a_statement_has_the_right_balance(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let mut subject = Subject::new(&path);
        steps.into_iter().for_each(|step| subject.run(step));
        let (total, entries, more) = subject.statement(1000);
        prop_assert!(!more);
        prop_assert_eq!(entries.first().map_or(0, |entry| entry.balance), total);
        let mut sum = 0;
        let mut observed = subject.observed.iter().peekable();
        observed.next_if_eq(&&0);
        for entry in entries.iter().rev() {
            sum += entry.change();
            prop_assert_eq!(entry.balance, sum, "{:?}", entries);
            prop_assert!(sum >= 0);
            // Every observed balance appears, in the same order.
            observed.next_if_eq(&&sum);
        }
        prop_assert_eq!(observed.next(), None, "{:?} {:?}", entries, subject.observed);
        let open = entries.iter().filter(|entry| entry.kind == StatementKind::Held).count();
        prop_assert_eq!(open, subject.holds.len());
        for limit in 0..entries.len() {
            let (_, some, more) = subject.statement(u32::try_from(limit).unwrap());
            prop_assert!(more);
            prop_assert_eq!(&some[..], &entries[..limit]);
        }
        let Reply::Verified { checks } = subject.store().execute(Command::Verify, subject.now.wall) else { panic!() };
        prop_assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
    }
}
