//! Claims in memory, within bounds.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    AccountId, Claim, ClaimBounds, Fingerprint, HoldId, HoldOutcome, HoldRequest, OperationId, Owner,
    RepeatPolicy, Settlement, StoredResponse,
};

/// What is remembered of operations that clients named. Claims are numbered in the order in which they were made.
#[derive(Debug)]
pub(super) struct Claims {
    bounds: ClaimBounds,
    last: u64,
    entries: HashMap<u64, MemoryClaim>,
    names: HashMap<(AccountId, OperationId), u64>,
    in_flight: HashMap<HoldId, u64>,
    accounts: HashMap<AccountId, Share>,
    /// Those with a stored response.
    stored: BTreeSet<u64>,
    /// When the response of a claim expires, and when the claim is forgotten.
    due: BTreeSet<(Timestamp, u64)>,
    bytes: u64,
}

/// What one account has of it.
#[derive(Debug, Default)]
struct Share {
    claims: BTreeSet<u64>,
    stored: BTreeSet<u64>,
    bytes: u64,
}

#[derive(Debug)]
struct MemoryClaim {
    account: AccountId,
    operation: OperationId,
    fingerprint: Fingerprint,
    state: ClaimState,
    repeats: u32,
    expires: Timestamp,
    forgotten: Timestamp,
    response: Option<StoredResponse>,
}

#[derive(Debug)]
enum ClaimState {
    InFlight {
        hold: HoldId,
        owner: Owner,
        lease_ends: Timestamp,
    },
    Completed,
    /// It was released, and may run again.
    Free,
}

impl MemoryClaim {
    fn may_be_forgotten(&self) -> bool {
        !matches!(self.state, ClaimState::InFlight { .. })
    }
}

/// What is known of an operation.
#[derive(Debug)]
pub(super) enum ClaimLookup {
    /// Nothing: it may run.
    New,
    /// This is to be said.
    Decided(HoldOutcome),
    /// It completed, and this repeat may be forwarded.
    Repeated,
    /// It was in flight with an owner whose lease has ended: this hold is to be posted.
    Abandoned(HoldId),
}

impl Claims {
    pub(super) fn new(bounds: ClaimBounds) -> Self {
        Self {
            bounds,
            last: 0,
            entries: HashMap::new(),
            names: HashMap::new(),
            in_flight: HashMap::new(),
            accounts: HashMap::new(),
            stored: BTreeSet::new(),
            due: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub(super) fn known(
        &mut self,
        account: &AccountId,
        operation: &OperationId,
        claim: &Claim,
        at: Timestamp,
    ) -> ClaimLookup {
        let name = (account.clone(), operation.clone());
        let number = self.names.get(&name).copied();
        let Some(entry) = number.and_then(|number| self.entries.get_mut(&number)) else {
            return ClaimLookup::New;
        };
        if entry.fingerprint != claim.fingerprint {
            return ClaimLookup::Decided(HoldOutcome::Mismatch);
        }
        match (&entry.state, claim.repeats) {
            (ClaimState::InFlight { hold, owner, lease_ends }, _)
                if *owner != claim.owner && *lease_ends <= at =>
            {
                ClaimLookup::Abandoned(*hold)
            }
            (ClaimState::InFlight { .. }, _) => ClaimLookup::Decided(HoldOutcome::InFlight),
            (ClaimState::Free, _) => ClaimLookup::New,
            (ClaimState::Completed, RepeatPolicy::Forward(most)) if entry.repeats < most.get() => {
                entry.repeats += 1;
                ClaimLookup::Repeated
            }
            (ClaimState::Completed, _) => {
                let is_stored = entry.response.is_some() && at < entry.expires;
                ClaimLookup::Decided(HoldOutcome::Completed { is_stored })
            }
        }
    }

    /// Makes room for another claim, or says how many there may be.
    pub(super) fn make_room(
        &mut self,
        account: &AccountId,
        operation: &OperationId,
        at: Timestamp,
    ) -> Result<(), u64> {
        let ClaimBounds { account_claims, total_claims, .. } = self.bounds;
        if self.names.contains_key(&(account.clone(), operation.clone())) {
            // It takes the place of the one that was released.
            return Ok(());
        }
        let of_account = self.accounts.get(account).map_or(0, |share| share.claims.len() as u64);
        if of_account >= account_claims {
            let oldest = self.accounts.get(account).and_then(|share| share.claims.first().copied());
            self.forget_early(oldest, at).then_some(()).ok_or(account_claims)?;
        }
        if self.entries.len() as u64 >= total_claims {
            let oldest = self.due.first().map(|(_, number)| *number);
            self.forget_early(oldest, at).then_some(()).ok_or(total_claims)?;
        }
        Ok(())
    }

    /// Forgets a claim before its time, unless its response may still be replayed.
    fn forget_early(&mut self, number: Option<u64>, at: Timestamp) -> bool {
        let entry = number.and_then(|number| self.entries.get(&number));
        let may_go = entry.is_some_and(|entry| entry.may_be_forgotten() && entry.expires <= at);
        if let Some(number) = number.filter(|_| may_go) {
            self.remove(number);
        }
        may_go
    }

    pub(super) fn insert(&mut self, hold: HoldId, request: &HoldRequest<'_>, claim: &Claim) {
        let (account, operation) = (request.account.clone(), request.operation.clone());
        // Where there is one already, it was released.
        let before = self.names.get(&(account.clone(), operation.clone())).copied();
        before.into_iter().for_each(|number| self.remove(number));
        self.last += 1;
        let number = self.last;
        self.names.insert((account.clone(), operation.clone()), number);
        self.accounts.entry(account.clone()).or_default().claims.insert(number);
        self.in_flight.insert(hold, number);
        let entry = MemoryClaim {
            account,
            operation,
            fingerprint: claim.fingerprint,
            state: ClaimState::InFlight { hold, owner: claim.owner, lease_ends: request.lease_ends() },
            repeats: 0,
            expires: claim.expires(request.now.wall),
            forgotten: claim.forgotten(request.now.wall),
            response: None,
        };
        self.due.extend([(entry.expires, number), (entry.forgotten, number)]);
        self.entries.insert(number, entry);
    }

    /// Keeps the response of a claim in flight.
    pub(super) fn store(&mut self, hold: HoldId, response: StoredResponse) {
        let Some(number) = self.in_flight.get(&hold).copied() else { return };
        let size = response.as_bytes().len() as u64;
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.response = Some(response);
        let share = self.accounts.entry(entry.account.clone()).or_default();
        share.bytes += size;
        share.stored.insert(number);
        self.bytes += size;
        self.stored.insert(number);
        let account = entry.account.clone();
        while let Some(oldest) = self.beyond_bounds(&account) {
            self.evict(oldest);
        }
    }

    /// The oldest stored response, where there are too many.
    fn beyond_bounds(&self, account: &AccountId) -> Option<u64> {
        let share = self.accounts.get(account)?;
        if share.bytes > self.bounds.account_bytes {
            return share.stored.first().copied();
        }
        if self.bytes > self.bounds.total_bytes { self.stored.first().copied() } else { None }
    }

    fn evict(&mut self, number: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let Some(response) = entry.response.take() else { return };
        let size = response.as_bytes().len() as u64;
        self.bytes -= size;
        self.stored.remove(&number);
        if let Some(share) = self.accounts.get_mut(&entry.account) {
            share.bytes -= size;
            share.stored.remove(&number);
        }
    }

    pub(super) fn settle(&mut self, hold: HoldId, settlement: Settlement) {
        let Some(number) = self.in_flight.remove(&hold) else { return };
        let Some(entry) = self.entries.get_mut(&number) else { return };
        match settlement {
            Settlement::Post(_) => entry.state = ClaimState::Completed,
            // The same request may run again; another one is a mismatch still.
            Settlement::Release => {
                self.due.remove(&(entry.forgotten, number));
                entry.state = ClaimState::Free;
                entry.forgotten = entry.expires;
            }
        }
        // Both may have passed while it was under way.
        self.due.extend([(entry.expires, number), (entry.forgotten, number)]);
    }

    pub(super) fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        at: Timestamp,
    ) -> Option<StoredResponse> {
        let number = self.names.get(&(account.clone(), operation.clone()))?;
        let entry = self.entries.get(number)?;
        let is_meant = entry.fingerprint == *fingerprint && at < entry.expires;
        entry.response.clone().filter(|_| is_meant)
    }

    /// Removes what has expired.
    pub(super) fn prune(&mut self, at: Timestamp) {
        while let Some((due, number)) = self.due.first().copied().filter(|(due, _)| *due <= at) {
            self.due.remove(&(due, number));
            match self.entries.get(&number).map(|entry| (entry.forgotten <= due, entry.may_be_forgotten())) {
                Some((true, true)) => self.remove(number),
                Some((false, _)) => self.evict(number),
                // Its request is still under way. When it ends, both are due again.
                Some((true, false)) | None => {}
            }
        }
    }

    fn remove(&mut self, number: u64) {
        self.evict(number);
        let Some(entry) = self.entries.remove(&number) else { return };
        self.due.remove(&(entry.expires, number));
        self.due.remove(&(entry.forgotten, number));
        if let Some(share) = self.accounts.get_mut(&entry.account) {
            share.claims.remove(&number);
            if share.claims.is_empty() {
                self.accounts.remove(&entry.account);
            }
        }
        self.names.remove(&(entry.account, entry.operation));
    }
}
