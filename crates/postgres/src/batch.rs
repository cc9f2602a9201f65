//! One batch of jobs in one transaction: it locks the accounts, computes the outcomes with admission's rules, and writes
//! everything with one statement per table. An account that cannot pay fails alone.
//!
//! Long because the decisions of one batch share its accounts, claims and effects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use demur_admission::{
    AccountId, Balance, HoldId, HoldOutcome, Insufficient, Settlement, StoredResponse, wait_for,
};
use jiff::Timestamp;
use tokio_postgres::Statement;

use crate::books::{AccountColumns, Books, EntryColumns, OpenHold, hold_number};
use crate::claims::{self, BOUNDS, ClaimDecision, ClaimName, Claims};
use crate::error::DbError;
use crate::job::{HoldJob, Job};
use crate::rows::{moment, signed};
use crate::session::{Session, Values};

/// What the writer knows between batches.
#[derive(Debug, Default)]
pub(crate) struct NodeState {
    /// The epoch of this node; `None` until it holds something, and after its lease was lost.
    pub(crate) epoch: Option<i64>,
    /// The open holds of this epoch. Only this node settles them.
    pub(crate) open: HashMap<HoldId, OpenHold>,
    pub(crate) next_hold: u64,
    pub(crate) last_hold: u64,
}

/// The outcome of a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    Hold(HoldOutcome),
    Balance(Balance),
    Settled,
}

/// What a batch changes, in effect once it is committed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) opened: Vec<(HoldId, OpenHold)>,
    pub(crate) closed: HashSet<HoldId>,
    /// The clock of the database.
    pub(crate) clock: Option<Timestamp>,
}

impl NodeState {
    /// Puts a committed batch into effect.
    pub(crate) fn commit(&mut self, effects: &mut Effects) {
        for hold in &effects.closed {
            self.open.remove(hold);
        }
        self.open.extend(effects.opened.drain(..));
    }
}

/// A batch while it is computed.
struct Batch<'n> {
    node: &'n mut NodeState,
    epoch: i64,
    at: Timestamp,
    books: Books,
    claims: Claims,
    effects: Effects,
    /// The positions of outcomes that need the oldest hold of an account.
    waiting: Vec<(usize, AccountId, Timestamp)>,
}

/// Computes and writes everything but the commit. `at` is when settlements take effect.
pub(crate) async fn write(
    session: &Session,
    node: &mut NodeState,
    jobs: &[Job],
    unsettled: &[(HoldId, Settlement)],
    lease_microseconds: i64,
    at: Timestamp,
) -> Result<Effects, DbError> {
    let epoch = node.epoch.ok_or(DbError::LeaseLost)?;
    let (accounts, names) = touched(node, jobs, unsettled);
    let ids: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    let (claim_accounts, claim_ids): (Vec<&str>, Vec<&str>) =
        names.iter().map(|(account, id)| (account.as_str(), id.as_str())).unzip();
    let lease = lease_microseconds as f64;
    let renew: (&Statement, Values<'_>) = (&session.renew, vec![&epoch, &lease]);
    let mut statements = vec![renew, (&session.lock_accounts, vec![&ids])];
    if !names.is_empty() {
        statements.push((&session.select_claims, vec![&claim_accounts, &claim_ids]));
    }
    let found = session.begin_with(statements).await?;
    let renewed = found.first().and_then(|rows| rows.first()).ok_or(DbError::LeaseLost)?;
    let effects = Effects { clock: Some(moment(renewed, 0)?), ..Effects::default() };
    let (books, claims, waiting) = (Books::default(), Claims::default(), Vec::new());
    let mut batch = Batch { node, epoch, at, books, claims, effects, waiting };
    if let Some(rows) = found.get(1) {
        batch.books.add(rows)?;
    }
    if let Some(rows) = found.get(2) {
        batch.claims.add(rows)?;
    }
    let wanted = wanted_claims(jobs);
    if batch.books.accounts().any(|booked| booked.claims >= BOUNDS.account_claims) {
        claims::forget_early(&session.client, &mut batch.books, &wanted).await?;
    }
    for (hold, settlement) in unsettled {
        batch.settle(*hold, *settlement, None);
    }
    for job in jobs {
        let outcome = match job {
            Job::Hold(job, _) => Outcome::Hold(batch.hold(job)),
            Job::Settle(hold, settlement, _) => {
                batch.settle(*hold, *settlement, None);
                Outcome::Settled
            }
            Job::Complete(hold, posted, response) => {
                batch.settle(*hold, Settlement::Post(*posted), Some(response));
                Outcome::Settled
            }
            Job::Balance(job, _) => {
                Outcome::Balance(batch.books.balance(&job.account, job.monthly.as_ref(), job.at))
            }
            Job::Command(..) | Job::Close(..) => Outcome::Settled,
        };
        batch.effects.outcomes.push(outcome);
    }
    batch.write(session).await
}

/// Returns the accounts and claims that a batch needs.
fn touched(
    node: &NodeState,
    jobs: &[Job],
    unsettled: &[(HoldId, Settlement)],
) -> (BTreeSet<AccountId>, BTreeSet<ClaimName>) {
    let (mut accounts, mut names) = (BTreeSet::new(), BTreeSet::new());
    let settled = unsettled.iter().map(|(hold, _)| *hold);
    let settled = settled.chain(jobs.iter().filter_map(|job| job.settlement().map(|(hold, _)| hold)));
    for open in settled.filter_map(|hold| node.open.get(&hold)) {
        accounts.insert(open.account.clone());
        if open.is_claimed {
            names.insert((open.account.clone(), open.operation.clone()));
        }
    }
    for job in jobs {
        match job {
            Job::Hold(job, _) => {
                accounts.insert(job.account.clone());
                if job.claim.is_some() {
                    names.insert((job.account.clone(), job.operation.clone()));
                }
            }
            Job::Balance(job, _) => drop(accounts.insert(job.account.clone())),
            Job::Settle(..) | Job::Complete(..) | Job::Command(..) | Job::Close(..) => {}
        }
    }
    (accounts, names)
}

/// Returns how many claims each account wants, and when.
fn wanted_claims(jobs: &[Job]) -> BTreeMap<AccountId, (i64, Timestamp)> {
    let mut wanted = BTreeMap::new();
    for job in jobs {
        if let Job::Hold(job, _) = job
            && job.claim.is_some()
        {
            let (count, at) = wanted.entry(job.account.clone()).or_insert((0, job.at));
            *count += 1;
            *at = (*at).min(job.at);
        }
    }
    wanted
}

impl Batch<'_> {
    fn hold(&mut self, job: &HoldJob) -> HoldOutcome {
        let monthly = job.monthly.as_ref();
        if let Some(claim) = &job.claim {
            match self.claims.decide(job, claim) {
                ClaimDecision::Execute => {}
                ClaimDecision::Decided(outcome) => return outcome,
                ClaimDecision::Forward => {
                    return HoldOutcome::Repeated {
                        balance: self.books.balance(&job.account, monthly, job.at),
                    };
                }
                ClaimDecision::Abandoned(hold) if self.is_open(hold) => {
                    self.settle_with(hold, Settlement::Post(u64::MAX), None, true);
                    return HoldOutcome::Completed { is_stored: false };
                }
                // Of another node, which has gone: it is completed with that node's holds.
                ClaimDecision::Abandoned(_) => return HoldOutcome::InFlight,
            }
            if let Err(most) = self.claims.make_room(job, &mut self.books) {
                return HoldOutcome::TooMany { most };
            }
        }
        let Some(booked) = self.books.current(&job.account, monthly, job.at) else {
            // An unknown account has no credits.
            return HoldOutcome::Insufficient { available: 0, resets_at: None, held_for: None };
        };
        let balance = &mut booked.balance;
        match balance.hold(job.amount) {
            Err(Insufficient) => {
                let (available, resets_at) = (balance.available(), balance.resets_at(monthly, job.at));
                let would_suffice = balance.suffices_without_holds(job.amount);
                if would_suffice {
                    self.waiting.push((self.effects.outcomes.len(), job.account.clone(), job.at));
                }
                let held_for = would_suffice.then(|| wait_for(None, job.at));
                HoldOutcome::Insufficient { available, resets_at, held_for }
            }
            Ok(source) => {
                let balance = balance.balance(monthly, job.at);
                let hold = HoldId(self.node.next_hold);
                self.node.next_hold += 1;
                if let Some(claim) = &job.claim {
                    self.claims.insert(hold, self.epoch, job, claim, &mut self.books);
                }
                // An unclaimed operation that costs nothing has nothing to settle.
                if job.amount > 0 || job.claim.is_some() {
                    let open = OpenHold {
                        account: job.account.clone(),
                        operation: job.operation.clone(),
                        is_claimed: job.claim.is_some(),
                        source,
                        began: job.at,
                        lease_ends: job.lease_ends,
                    };
                    self.effects.opened.push((hold, open));
                }
                HoldOutcome::Held { hold, balance }
            }
        }
    }

    fn is_open(&self, hold: HoldId) -> bool {
        self.node.open.contains_key(&hold) && !self.effects.closed.contains(&hold)
    }

    fn settle(&mut self, hold: HoldId, settlement: Settlement, response: Option<&StoredResponse>) {
        self.settle_with(hold, settlement, response, false);
    }

    /// Settles a hold; a settled hold does not change.
    fn settle_with(
        &mut self,
        hold: HoldId,
        settlement: Settlement,
        response: Option<&StoredResponse>,
        is_unknown: bool,
    ) {
        let Some(open) = self.node.open.get(&hold) else { return };
        if !self.effects.closed.insert(hold) {
            return;
        }
        if open.is_claimed {
            let name = (open.account.clone(), open.operation.clone());
            let is_released = settlement == Settlement::Release;
            self.claims.end(&name, hold, is_released, response, &mut self.books);
        }
        // An operation that costs nothing is no ledger entry.
        if open.source.amount() > 0 {
            self.books.settle(open, settlement, is_unknown, self.at);
        }
    }

    async fn write(mut self, session: &Session) -> Result<Effects, DbError> {
        let accounts = AccountColumns::of(&self.books.changed());
        let entries = EntryColumns::of(self.books.entries());
        let holds = HoldColumns::of(&self.effects.opened);
        let paid = |hold: &&HoldId| self.node.open.get(hold).is_some_and(|open| open.source.amount() > 0);
        let closed: Vec<i64> =
            self.effects.closed.iter().filter(paid).map(|hold| hold_number(*hold)).collect();
        let claims = self.claims.columns();
        let mut statements: Vec<(&Statement, Values<'_>)> = Vec::new();
        if !accounts.ids.is_empty() {
            statements.push((&session.update_accounts, accounts.values()));
        }
        if !entries.accounts.is_empty() {
            statements.push((&session.insert_entries, entries.values()));
        }
        if !holds.numbers.is_empty() {
            statements.push((&session.insert_holds, holds.values(&self.epoch)));
        }
        if let Some(claims) = &claims {
            statements.push((&session.upsert_claims, claims.values()));
        }
        let delete = async {
            if closed.is_empty() {
                Ok(0)
            } else {
                session.client.execute(&session.delete_holds, &[&closed]).await
            }
        };
        let (written, deleted) = futures_util::future::join(session.pipeline(statements), delete).await;
        written?;
        if deleted? != closed.len() as u64 {
            return Err(DbError::Damaged("an open hold of this node is not in the database".to_owned()));
        }
        claims::evict(&session.client, &self.books).await?;
        self.find_oldest_holds(session).await?;
        Ok(self.effects)
    }

    /// Finds how long the requests wait whose credits others hold: until the oldest hold of their account ends.
    async fn find_oldest_holds(&mut self, session: &Session) -> Result<(), DbError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let accounts: Vec<&str> = self.waiting.iter().map(|(_, account, _)| account.as_str()).collect();
        let sql = "SELECT DISTINCT ON (account) account, lease_ends FROM demur.hold WHERE account = ANY($1)
                   ORDER BY account, began, hold";
        let mut oldest = HashMap::new();
        for row in session.client.query(sql, &[&accounts]).await? {
            oldest.insert(row.try_get::<_, String>(0)?, moment(&row, 1)?);
        }
        for (position, account, at) in &self.waiting {
            if let Some(Outcome::Hold(HoldOutcome::Insufficient { held_for, .. })) =
                self.effects.outcomes.get_mut(*position)
            {
                *held_for = Some(wait_for(oldest.get(account.as_str()).copied(), *at));
            }
        }
        Ok(())
    }
}

/// The columns of new holds.
#[derive(Default)]
struct HoldColumns<'a> {
    numbers: Vec<i64>,
    accounts: Vec<&'a str>,
    operations: Vec<&'a str>,
    monthly: Vec<i64>,
    non_expiring: Vec<i64>,
    months: Vec<Option<String>>,
    began: Vec<i64>,
    lease_ends: Vec<i64>,
}

impl<'a> HoldColumns<'a> {
    fn of(opened: &'a [(HoldId, OpenHold)]) -> Self {
        let mut columns = Self::default();
        for (hold, open) in opened.iter().filter(|(_, open)| open.source.amount() > 0) {
            columns.numbers.push(hold_number(*hold));
            columns.accounts.push(open.account.as_str());
            columns.operations.push(open.operation.as_str());
            columns.monthly.push(signed(open.source.monthly));
            columns.non_expiring.push(signed(open.source.lasting));
            columns.months.push(open.source.month.map(|month| month.to_string()));
            columns.began.push(open.began.as_microsecond());
            columns.lease_ends.push(open.lease_ends.as_microsecond());
        }
        columns
    }

    fn values<'v>(&'v self, epoch: &'v i64) -> Values<'v> {
        vec![
            &self.numbers,
            epoch,
            &self.accounts,
            &self.operations,
            &self.monthly,
            &self.non_expiring,
            &self.months,
            &self.began,
            &self.lease_ends,
        ]
    }
}

/// Sends the replies of a batch that was committed. Returns the holds whose callers have gone.
pub(crate) fn send_replies(jobs: Vec<Job>, outcomes: Vec<Outcome>) -> Vec<HoldId> {
    let mut unclaimed = Vec::new();
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        match (job, outcome) {
            (Job::Hold(_, reply), Outcome::Hold(found)) => {
                // The request ended before anything was forwarded.
                unclaimed
                    .extend(reply.send(Ok(found)).err().and_then(Result::ok).and_then(|found| found.hold()));
            }
            (Job::Balance(_, reply), Outcome::Balance(balance)) => drop(reply.send(Ok(balance))),
            (Job::Settle(_, _, Some(reply)), _) => drop(reply.send(Ok(()))),
            (job, _) => drop(job),
        }
    }
    unclaimed
}
