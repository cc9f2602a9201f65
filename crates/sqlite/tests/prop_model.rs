//! Both ledgers against a model that shares no code with them: every credit is an object with a state. The model is slow, but
//! simple enough to be checked by reading.
//! Long because model and ledgers are driven together.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{at, plans, start};
use demur_admission::memory::MemoryLedger;
use demur_admission::{
    AccountId, Claim, Command, Fingerprint, HoldId, HoldOutcome, HoldRequest, Ledger, MonthlyCredits, Now,
    OperationId, Owner, Plan, Plans, RepeatPolicy, Reply, Settlement,
};
use demur_sqlite::Store;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use tempfile::TempDir;

/// One credit.
struct Credit {
    /// The month with which it expires; `None` if it does not expire.
    month: Option<Date>,
    state: State,
}

#[derive(Clone, PartialEq)]
enum State {
    Free,
    Held(usize),
    Spent(String),
    Expired,
    Withdrawn,
}

/// The state of a claimed operation.
#[derive(Clone, Copy, PartialEq)]
enum ClaimState {
    Open,
    Completed,
    Nothing,
}

/// The outcome of a request for credits, without the hold ID.
#[derive(Debug, PartialEq)]
enum Outcome {
    Held,
    Completed,
    /// The available credits, and whether they would suffice without holds.
    Insufficient(u64, bool),
    InFlight,
    Mismatch,
}

/// Available, held, posted, granted, expired, and when the next credits are granted.
type Sums = (u64, u64, u64, u64, u64, Option<Timestamp>);

#[derive(Default)]
struct Model {
    credits: Vec<Credit>,
    /// How many credits were granted for each month.
    months: BTreeMap<Date, usize>,
    names: BTreeMap<String, (u8, ClaimState)>,
    /// The number and the operation of each open hold.
    open: Vec<(usize, String)>,
    made: usize,
    refunds: BTreeMap<String, usize>,
}

impl Model {
    fn count(&self, matches: impl Fn(&Credit) -> bool) -> usize {
        self.credits.iter().filter(|credit| matches(credit)).count()
    }

    fn free(&self) -> usize {
        self.count(|credit| credit.state == State::Free)
    }

    /// Changes the state of at most this many matching credits, monthly ones first or last.
    fn change(&mut self, mut most: usize, months_first: bool, matches: impl Fn(&Credit) -> bool, to: &State) {
        for of_month in [months_first, !months_first] {
            for credit in &mut self.credits {
                if most > 0 && credit.month.is_some() == of_month && matches(credit) {
                    credit.state = to.clone();
                    most -= 1;
                }
            }
        }
    }

    fn add(&mut self, month: Option<Date>, count: usize) {
        self.credits.extend((0..count).map(|_| Credit { month, state: State::Free }));
    }

    /// Expires credits of earlier months, and grants this month up to its largest plan.
    fn roll(&mut self, today: Date, monthly: Option<usize>) {
        let month = today.first_of_month();
        let all = usize::MAX;
        let is_old =
            |credit: &Credit| credit.state == State::Free && credit.month.is_some_and(|of| of < month);
        self.change(all, true, is_old, &State::Expired);
        if let Some(amount) = monthly {
            let had = self.months.entry(month).or_default();
            let missing = amount.saturating_sub(*had);
            *had += missing;
            self.add(Some(month), missing);
        }
    }

    fn hold(&mut self, name: &str, fingerprint: Option<u8>, amount: usize) -> Outcome {
        if let Some(fingerprint) = fingerprint {
            match self.names.get(name) {
                Some((other, _)) if *other != fingerprint => return Outcome::Mismatch,
                Some((_, ClaimState::Open)) => return Outcome::InFlight,
                Some((_, ClaimState::Completed)) => return Outcome::Completed,
                Some((_, ClaimState::Nothing)) | None => {}
            }
        }
        if self.free() < amount {
            let held = self.count(|credit| matches!(credit.state, State::Held(_)));
            return Outcome::Insufficient(self.free() as u64, self.free() + held >= amount);
        }
        self.made += 1;
        let number = self.made;
        self.change(amount, true, |credit| credit.state == State::Free, &State::Held(number));
        self.open.push((number, name.to_owned()));
        if let Some(fingerprint) = fingerprint {
            self.names.insert(name.to_owned(), (fingerprint, ClaimState::Open));
        }
        Outcome::Held
    }

    /// Releases the rest; credits of an ended month expire with the next rollover.
    fn settle(&mut self, which: usize, posted: Option<usize>) {
        let (number, name) = self.open.swap_remove(which);
        let is_held = |credit: &Credit| credit.state == State::Held(number);
        let is_completed = posted.is_some();
        let posted = posted.unwrap_or_default().min(self.count(is_held));
        self.change(posted, true, is_held, &State::Spent(name.clone()));
        self.change(usize::MAX, true, is_held, &State::Free);
        if let Some((_, state)) = self.names.get_mut(&name) {
            *state = if is_completed { ClaimState::Completed } else { ClaimState::Nothing };
        }
    }

    fn withdraw(&mut self, amount: usize) -> bool {
        let is_enough = amount <= self.free();
        if is_enough {
            self.change(amount, false, |credit| credit.state == State::Free, &State::Withdrawn);
        }
        is_enough
    }

    /// Refunds an operation once, and at most what was spent; refunded credits do not expire.
    fn refund(&mut self, name: &str, amount: Option<usize>) -> bool {
        let before = self.refunds.get(name).copied();
        let spent = self.count(|credit| credit.state == State::Spent(name.to_owned()));
        let charged = spent + before.unwrap_or_default();
        let amount = amount.unwrap_or(charged);
        if amount == 0 || amount > charged {
            return false;
        }
        if let Some(before) = before {
            return before == amount;
        }
        self.refunds.insert(name.to_owned(), amount);
        let spent = self.credits.iter_mut().filter(|credit| credit.state == State::Spent(name.to_owned()));
        spent.take(amount).for_each(|credit| *credit = Credit { month: None, state: State::Free });
        true
    }

    fn sums(&self, today: Date, monthly: Option<usize>) -> Sums {
        let count = |matches: fn(&State) -> bool| self.count(|credit| matches(&credit.state)) as u64;
        let next = today.last_of_month().tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
        (
            count(|state| *state == State::Free),
            count(|state| matches!(state, State::Held(_))),
            count(|state| matches!(state, State::Spent(_))),
            count(|state| *state != State::Withdrawn),
            count(|state| *state == State::Expired),
            monthly.map(|_| next),
        )
    }
}

/// A ledger that is compared with the model.
enum Subject {
    Memory(Box<MemoryLedger>),
    Sqlite { path: PathBuf, store: Option<Arc<Store>>, _folder: TempDir },
}

const PLANS: [&str; 4] = ["paid", "poor", "dear", "open"];

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn plan(name: &str) -> Plan {
    plans().into_iter().find(|plan| plan.name == name).unwrap()
}

fn open(path: &std::path::Path) -> Arc<Store> {
    Store::open(path, Arc::new(Plans::new(plans()))).unwrap()
}

impl Subject {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let store = open(&path);
        let (account, name, plan) = (Some(acme()), "Acme".into(), PLANS[0].into());
        store.execute(Command::CreateAccount { account, name, plan, grant_day: None }, start().wall);
        Self::Sqlite { path, store: Some(store), _folder: folder }
    }

    fn ledger(&self) -> &dyn Ledger {
        match self {
            Self::Memory(ledger) => &**ledger,
            Self::Sqlite { store, .. } => store.as_deref().unwrap(),
        }
    }

    /// Whether an operator's command was executed; `None` if the ledger has no commands.
    fn execute(&self, command: Command, now: Now) -> Option<bool> {
        match self {
            Self::Memory(_) => None,
            Self::Sqlite { store, .. } => {
                let reply = store.as_ref().unwrap().execute(command, now.wall);
                Some(!matches!(reply, Reply::Rejected { .. }))
            }
        }
    }

    fn top_up(&self, amount: u64, now: Now) {
        match self {
            Self::Memory(ledger) => ledger.top_up(&acme(), amount).unwrap(),
            Self::Sqlite { .. } => {
                let (reason, operation) = ("bought".into(), None);
                let command = Command::TopUp { account: acme(), amount, reason, operation };
                assert_eq!(self.execute(command, now), Some(true));
            }
        }
    }

    /// Restarts the ledger if it can be restarted, which posts all open holds.
    fn restart(&mut self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Sqlite { path, store, .. } => {
                *store = None;
                *store = Some(open(path));
                true
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Hold { operation: u8, fingerprint: Option<u8>, amount: u64 },
    Settle(prop::sample::Index, Settlement),
    TopUp(u64),
    Withdraw(u64),
    Refund(prop::sample::Index, Option<u64>),
    SetPlan(usize),
    Wait(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let hold = (0_u8..6, prop::option::of(0_u8..2), 1_u64..50)
        .prop_map(|(operation, fingerprint, amount)| Step::Hold { operation, fingerprint, amount });
    let settlement = prop_oneof![Just(Settlement::Release), (0_u64..60).prop_map(Settlement::Post)];
    let refund = (index(), prop::option::of(0_u64..60));
    let step = prop_oneof![
        6 => hold,
        5 => (index(), settlement).prop_map(|(which, how)| Step::Settle(which, how)),
        1 => (1_u64..50).prop_map(Step::TopUp),
        1 => (0_u64..90).prop_map(Step::Withdraw),
        2 => refund.prop_map(|(which, amount)| Step::Refund(which, amount)),
        2 => (0..PLANS.len()).prop_map(Step::SetPlan),
        2 => (0_u64..20).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// A ledger and the model, which execute the same steps.
struct Both {
    ledger: Subject,
    model: Model,
    holds: Vec<HoldId>,
    names: Vec<String>,
    monthly: Option<MonthlyCredits>,
    now: Now,
    days: u64,
}

impl Both {
    fn new(ledger: Subject) -> Self {
        let monthly = plan(PLANS[0]).credits;
        let (model, holds, names) = (Model::default(), Vec::new(), Vec::new());
        let mut both = Self { ledger, model, holds, names, monthly, now: start(), days: 0 };
        both.compare();
        both
    }

    fn today(&self) -> Date {
        TimeZone::UTC.to_datetime(self.now.wall).date()
    }

    fn amount(&self) -> Option<usize> {
        self.monthly.as_ref().map(|monthly| usize::try_from(monthly.amount).unwrap())
    }

    /// Asserts that both have the same balance.
    fn compare(&mut self) {
        let (today, amount) = (self.today(), self.amount());
        self.model.roll(today, amount);
        let found = self.ledger.ledger().balance(&acme(), self.monthly.as_ref(), self.now).block().unwrap();
        let found =
            (found.available, found.held, found.posted, found.granted, found.expired, found.resets_at);
        assert_eq!(found, self.model.sums(today, amount));
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Hold { operation, fingerprint, amount } => self.hold(*operation, *fingerprint, *amount),
            Step::Settle(which, settlement) if !self.holds.is_empty() => {
                let which = which.index(self.holds.len());
                let hold = self.holds.swap_remove(which);
                self.ledger.ledger().settle(hold, *settlement).block().unwrap();
                let posted = match settlement {
                    Settlement::Post(used) => Some(usize::try_from(*used).unwrap()),
                    Settlement::Release => None,
                };
                self.model.settle(which, posted);
            }
            Step::TopUp(amount) => {
                self.ledger.top_up(*amount, self.now);
                self.model.add(None, usize::try_from(*amount).unwrap());
            }
            Step::Withdraw(amount) => {
                let (account, reason, operation) = (acme(), "mistake".into(), None);
                let command = Command::Withdraw { account, amount: *amount, reason, operation };
                if let Some(done) = self.ledger.execute(command, self.now) {
                    assert_eq!(done, self.model.withdraw(usize::try_from(*amount).unwrap()));
                }
            }
            Step::Refund(which, amount) if !self.names.is_empty() => {
                let name = self.names[which.index(self.names.len())].clone();
                let (account, operation, reason) = (acme(), name.parse().unwrap(), "no help".into());
                let command = Command::Refund { account, operation, amount: *amount, reason };
                if let Some(done) = self.ledger.execute(command, self.now) {
                    let amount = amount.map(|amount| usize::try_from(amount).unwrap());
                    assert_eq!(done, self.model.refund(&name, amount), "{name}");
                }
            }
            Step::Settle(..) | Step::Refund(..) => {}
            Step::SetPlan(which) => {
                let plan = plan(PLANS[*which]);
                self.ledger.execute(Command::SetPlan { account: acme(), plan: plan.name }, self.now);
                self.monthly = plan.credits;
            }
            Step::Wait(days) => {
                self.days += days;
                self.now = at(Duration::from_secs(self.days * 24 * 3600));
            }
            Step::Restart => {
                if self.ledger.restart() {
                    self.holds.clear();
                    while !self.model.open.is_empty() {
                        self.model.settle(0, Some(usize::MAX));
                    }
                }
            }
        }
        self.compare();
    }

    fn hold(&mut self, operation: u8, fingerprint: Option<u8>, amount: u64) {
        // An operation without a client's ID has a unique one.
        let name = match fingerprint {
            Some(_) => format!("named-{operation}"),
            None => format!("single-{}", self.names.len()),
        };
        self.names.push(name.clone());
        let (account, operation): (_, OperationId) = (acme(), name.parse().unwrap());
        let (account, operation, monthly, now) = (&account, &operation, self.monthly.as_ref(), self.now);
        let lease = Duration::from_secs(30);
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let outcome = match fingerprint {
            None => self.ledger.ledger().hold(&request),
            Some(byte) => {
                let (fingerprint, owner) = (Fingerprint([byte; 32]), Owner::this_process());
                let ttl = Duration::from_secs(100 * 365 * 24 * 3600);
                let claim = Claim { fingerprint, owner, ttl, repeats: RepeatPolicy::Replay };
                self.ledger.ledger().claim(&request, &claim)
            }
        };
        let outcome = outcome.block().unwrap();
        self.holds.extend(outcome.hold());
        let found = match outcome {
            HoldOutcome::Held { .. } => Outcome::Held,
            HoldOutcome::Completed { is_stored: false } => Outcome::Completed,
            HoldOutcome::Insufficient { available, held_for, .. } => {
                Outcome::Insufficient(available, held_for.is_some())
            }
            HoldOutcome::InFlight => Outcome::InFlight,
            HoldOutcome::Mismatch => Outcome::Mismatch,
            other => panic!("{other:?}"),
        };
        let (today, monthly) = (self.today(), self.amount());
        self.model.roll(today, monthly);
        assert_eq!(found, self.model.hold(&name, fingerprint, usize::try_from(amount).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_memory_ledger_matches_the_model(steps in steps()) {
        let mut both = Both::new(Subject::Memory(Box::default()));
        steps.iter().for_each(|step| both.run(step));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_sqlite_ledger_matches_the_model(steps in steps()) {
        let mut both = Both::new(Subject::sqlite());
        steps.iter().for_each(|step| both.run(step));
        let Subject::Sqlite { store: Some(store), .. } = &both.ledger else { panic!() };
        let Reply::Verified { checks } = store.execute(Command::Verify, both.now.wall) else { panic!() };
        prop_assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
    }
}
