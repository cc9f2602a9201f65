//! The credit half of [`Admission`]: hold, claim, and balance.

use std::sync::Arc;
use std::time::Duration;

use super::{Admission, Claimed};
use crate::{
    AccountId, Balance, Charge, Claim, Denial, Hold, HoldOutcome, HoldRequest, Ledger, MaybeFuture, Now,
    OperationId, Principal, RepeatPolicy, StoreError, StoreKind,
};

impl Admission {
    /// Holds credits for an operation. A free operation holds nothing and calls no store.
    ///
    /// ```
    /// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
    /// # use demur_admission::memory::{MemoryDirectory, MemoryLedger};
    /// # use demur_admission::*;
    /// # use jiff::tz::TimeZone;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shop.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (admission, caller, now) = shop()?; // Ten credits a month.
    /// let lease = Duration::from_secs(30); // The maximum duration of a request.
    /// let hold = |id: &str, amount| {
    ///     let operation = id.parse().unwrap(); // The request's id, for instance.
    ///     admission.hold(&caller, &Charge { operation: &operation, amount, lease }, now).block()
    /// };
    ///
    /// let mut order = hold("order-1", 4).unwrap();
    /// order.forwarded(); // The upstream may do the work from now on: a dropped hold is charged.
    /// order.post_used(3); // One of the four credits is returned.
    ///
    /// drop(hold("order-2", 4).unwrap()); // Never forwarded: released.
    /// let balance = admission.balance(&caller, now).block().unwrap();
    /// assert_eq!((balance.available, balance.held, balance.posted), (7, 0, 3));
    ///
    /// let Err(Denial::CreditsExhausted { needed, available, resets_at }) = hold("order-3", 8) else { panic!() };
    /// assert_eq!((needed, available), (8, 7));
    /// assert_eq!(resets_at, Some("2026-12-01T00:00:00Z".parse()?));
    ///
    /// // Five credits are held: without that hold, three would suffice.
    /// let other = hold("order-4", 5).unwrap();
    /// assert!(matches!(hold("order-5", 3), Err(Denial::CreditsHeld { available: 2, .. })));
    /// # drop(other);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold(
        &self,
        principal: &Principal,
        charge: &Charge<'_>,
        now: Now,
    ) -> MaybeFuture<Result<Hold, Denial>> {
        let Charge { operation, amount, lease } = *charge;
        if amount == 0 {
            return MaybeFuture::Ready(Ok(Hold::nothing()));
        }
        let account = &principal.account().id;
        let monthly = principal.account().monthly(principal.plan());
        let monthly = monthly.as_deref();
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let ledger = Arc::clone(&self.stores.credits);
        self.stores.credits.hold(&request).map(move |outcome| {
            match outcome.map_err(|cause| StoreKind::Credits.unavailable(cause))? {
                HoldOutcome::Held { hold, balance } => Ok(Hold::open(ledger, hold, amount, balance)),
                HoldOutcome::Repeated { balance } => Ok(Hold::already_charged(balance)),
                other => Err(denied(&other, amount, Duration::ZERO)),
            }
        })
    }

    /// Claims an operation that the client has named, for one execution, and holds its credits. A free operation is
    /// claimed too.
    ///
    /// ```
    /// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
    /// # use demur_admission::memory::{MemoryDirectory, MemoryLedger};
    /// # use demur_admission::*;
    /// # use jiff::tz::TimeZone;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shop.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (admission, caller, now) = shop()?; // Ten credits a month.
    /// let claim = |id: &str, body: &[u8]| {
    ///     let operation = id.parse().unwrap(); // The client's Idempotency-Key.
    ///     let charge = Charge { operation: &operation, amount: 4, lease: Duration::from_secs(30) };
    ///     let claim = Claim {
    ///         fingerprint: Fingerprint::of(&[body]),
    ///         owner: Owner::this_process(),
    ///         ttl: Duration::from_secs(24 * 3600),
    ///         repeats: RepeatPolicy::Replay,
    ///     };
    ///     admission.claim(&caller, &charge, &claim, now).block()
    /// };
    ///
    /// let Ok(Claimed::First(order)) = claim("order-1", b"tea") else { panic!() };
    /// assert!(matches!(claim("order-1", b"tea"), Err(Denial::IdempotencyInFlight)));
    /// order.complete(None, StoredResponse::new(b"thank you".to_vec()).unwrap());
    ///
    /// // A repeat of the request gets the same response; another request cannot use its key.
    /// let Ok(Claimed::Replay(response)) = claim("order-1", b"tea") else { panic!() };
    /// assert_eq!(response.as_bytes(), b"thank you");
    /// assert!(matches!(claim("order-1", b"coffee"), Err(Denial::IdempotencyMismatch)));
    ///
    /// // A failed operation was released, and may be executed again.
    /// let Ok(Claimed::First(order)) = claim("order-2", b"tea") else { panic!() };
    /// order.release();
    /// assert!(matches!(claim("order-2", b"tea"), Ok(Claimed::First(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn claim(
        &self,
        principal: &Principal,
        charge: &Charge<'_>,
        claim: &Claim,
        now: Now,
    ) -> MaybeFuture<Result<Claimed, Denial>> {
        let Charge { operation, amount, lease } = *charge;
        let account = &principal.account().id;
        let monthly = principal.account().monthly(principal.plan());
        let monthly = monthly.as_deref();
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let ledger = Arc::clone(&self.stores.credits);
        match self.stores.credits.claim(&request, claim) {
            MaybeFuture::Ready(outcome) => match Self::claimed(outcome, &ledger, amount, claim) {
                Ok(Some(claimed)) => MaybeFuture::Ready(Ok(claimed)),
                Ok(None) => replay(&ledger, account, operation, claim, now),
                Err(denial) => MaybeFuture::Ready(Err(denial)),
            },
            MaybeFuture::Pending(outcome) => {
                let (account, operation, claim) = (account.clone(), operation.clone(), *claim);
                MaybeFuture::Pending(Box::pin(async move {
                    match Self::claimed(outcome.await, &ledger, amount, &claim)? {
                        Some(claimed) => Ok(claimed),
                        None => replay(&ledger, &account, &operation, &claim, now).wait().await,
                    }
                }))
            }
        }
    }

    /// Converts the outcome of a claim; `None` if the stored response must be read.
    fn claimed(
        outcome: Result<HoldOutcome, StoreError>,
        ledger: &Arc<dyn Ledger>,
        amount: u64,
        claim: &Claim,
    ) -> Result<Option<Claimed>, Denial> {
        match outcome.map_err(|cause| StoreKind::Credits.unavailable(cause))? {
            HoldOutcome::Held { hold, balance } => {
                Ok(Some(Claimed::First(Hold::claimed(Arc::clone(ledger), hold, amount, balance))))
            }
            HoldOutcome::Repeated { balance } => Ok(Some(Claimed::Repeat(Hold::already_charged(balance)))),
            HoldOutcome::Completed { is_stored: true } if claim.repeats == RepeatPolicy::Replay => Ok(None),
            other => Err(denied(&other, amount, claim.ttl)),
        }
    }

    /// Returns the account's balance.
    pub fn balance(&self, principal: &Principal, now: Now) -> MaybeFuture<Result<Balance, Denial>> {
        let monthly = principal.account().monthly(principal.plan());
        let monthly = monthly.as_deref();
        let balance = self.stores.credits.balance(&principal.account().id, monthly, now);
        balance.map(|found: Result<Balance, StoreError>| {
            found.map_err(|cause| StoreKind::Credits.unavailable(cause))
        })
    }
}

/// Reads the stored response; without one, the operation is denied as completed.
fn replay(
    ledger: &Arc<dyn Ledger>,
    account: &AccountId,
    operation: &OperationId,
    claim: &Claim,
    now: Now,
) -> MaybeFuture<Result<Claimed, Denial>> {
    ledger.read(account, operation, &claim.fingerprint, now).map(|found| {
        let found = found.map_err(|cause| StoreKind::Credits.unavailable(cause))?;
        found.map(Claimed::Replay).ok_or(Denial::IdempotencyCompleted)
    })
}

/// Returns the denial for an outcome without a hold.
fn denied(outcome: &HoldOutcome, needed: u64, ttl: Duration) -> Denial {
    match *outcome {
        HoldOutcome::Insufficient { available, held_for: Some(retry_after), .. } => {
            Denial::CreditsHeld { needed, available, retry_after }
        }
        HoldOutcome::Insufficient { available, resets_at, held_for: None } => {
            Denial::CreditsExhausted { needed, available, resets_at }
        }
        HoldOutcome::InFlight => Denial::IdempotencyInFlight,
        HoldOutcome::Mismatch => Denial::IdempotencyMismatch,
        HoldOutcome::TooMany { most } => Denial::RateExceeded {
            name: "idempotency-keys".into(),
            requests: most,
            per: ttl,
            remaining: 0,
            retry_after: Some(ttl.min(TOO_MANY_DELAY)),
        },
        HoldOutcome::Held { .. } | HoldOutcome::Repeated { .. } | HoldOutcome::Completed { .. } => {
            Denial::IdempotencyCompleted
        }
    }
}

/// When to retry after too many operations were remembered: one of them is forgotten eventually.
const TOO_MANY_DELAY: Duration = Duration::from_secs(60);
