//! Claims in memory, within bounds.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    AccountId, Claim, ClaimBounds, Fingerprint, HoldId, HoldOutcome, HoldRequest, OperationId, Owner,
    RepeatPolicy, Settlement, StoredResponse,
};

/// The claims of operations that clients named, numbered in the order of their creation.
#[derive(Debug)]
pub(super) struct Claims {
    bounds: ClaimBounds,
    last: u64,
    entries: HashMap<u64, MemoryClaim>,
    names: HashMap<(AccountId, OperationId), u64>,
    in_flight: HashMap<HoldId, u64>,
    accounts: HashMap<AccountId, AccountClaims>,
    /// Claims with a stored response.
    stored: BTreeSet<u64>,
    /// When the response of a claim expires, and when the claim is forgotten.
    due: BTreeSet<(Timestamp, u64)>,
    bytes: u64,
}

/// The claims of one account.
#[derive(Debug, Default)]
struct AccountClaims {
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
    /// The operation was released, and may execute again.
    Free,
}

impl MemoryClaim {
    fn is_settled(&self) -> bool {
        !matches!(self.state, ClaimState::InFlight { .. })
    }
}

/// What a claim of an operation may do.
#[derive(Debug)]
pub(super) enum ClaimLookup {
    /// The operation may execute.
    New,
    /// The operation must not execute; this is the outcome.
    Decided(HoldOutcome),
    /// The operation completed, and this repeat may be forwarded.
    Repeated,
    /// The operation was in flight with an owner whose lease has ended: this hold must be posted.
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

    pub(super) fn decide(
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

    /// Makes room for another claim, or returns the maximum.
    pub(super) fn make_room(
        &mut self,
        account: &AccountId,
        operation: &OperationId,
        at: Timestamp,
    ) -> Result<(), u64> {
        let ClaimBounds { account_claims, total_claims, .. } = self.bounds;
        if self.names.contains_key(&(account.clone(), operation.clone())) {
            // It replaces the claim that was released.
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

    /// Forgets a claim early, unless its response may still be replayed.
    fn forget_early(&mut self, number: Option<u64>, at: Timestamp) -> bool {
        let entry = number.and_then(|number| self.entries.get(&number));
        let is_removable = entry.is_some_and(|entry| entry.is_settled() && entry.expires <= at);
        if let Some(number) = number.filter(|_| is_removable) {
            self.remove(number);
        }
        is_removable
    }

    pub(super) fn insert(&mut self, hold: HoldId, request: &HoldRequest<'_>, claim: &Claim) {
        let (account, operation) = (request.account.clone(), request.operation.clone());
        // A claim that exists already was released.
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

    /// Stores the response of a claim in flight.
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
        while let Some(oldest) = self.oldest_beyond_bounds(&account) {
            self.evict(oldest);
        }
    }

    /// Returns the oldest stored response, if there are too many.
    fn oldest_beyond_bounds(&self, account: &AccountId) -> Option<u64> {
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
            // The same request may execute again; another one is still a mismatch.
            Settlement::Release => {
                self.due.remove(&(entry.forgotten, number));
                entry.state = ClaimState::Free;
                entry.forgotten = entry.expires;
            }
        }
        // Both times may have passed while it was in flight.
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
        let is_readable = entry.fingerprint == *fingerprint && at < entry.expires;
        entry.response.clone().filter(|_| is_readable)
    }

    /// Removes expired responses and forgotten claims.
    pub(super) fn prune(&mut self, at: Timestamp) {
        while let Some((due, number)) = self.due.first().copied().filter(|(due, _)| *due <= at) {
            self.due.remove(&(due, number));
            match self.entries.get(&number).map(|entry| (entry.forgotten <= due, entry.is_settled())) {
                Some((true, true)) => self.remove(number),
                Some((false, _)) => self.evict(number),
                // Its request is still in flight. When it ends, both are listed again.
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
