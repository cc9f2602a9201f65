//! The door: authenticate, take from the limits, hold credits. Each step ends with a pass or a [`Denial`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cache::{CacheBounds, CacheSlot, EntryMeta, Epoch, KeyCache, KeyLookup};
use crate::connection_cache::CachedPrincipal;
use crate::{
    AccountId, Attempt, Balance, Candidates, Charge, Claim, ConnectionCache, Counters, Credential, Demand,
    Denial, Hold, HoldOutcome, HoldRequest, ImportedForms, KeyDirectory, KeyState, Ledger, LimitPermit,
    MaybeFuture, Now, OperationId, Pepper, Plans, Principal, RepeatPolicy, Secret, StoreError, StoreKind,
    StoredResponse,
};

/// Who may pass.
pub struct Admission {
    stores: Stores,
    pepper: Pepper,
    plans: Arc<Plans>,
    cache: Arc<KeyCache>,
    /// The names of APIs, once each.
    apis: Mutex<BTreeSet<Arc<str>>>,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// The operation is to be executed, and the hold to be settled.
    First(Hold),
    /// It was executed, and this was the response.
    Replay(StoredResponse),
    /// It was executed, and its service deduplicates: the repeat is forwarded and costs nothing.
    Repeat(Hold),
}

/// Where keys, counts and credits are kept. One store can be all three.
#[derive(Clone)]
pub struct Stores {
    /// Keys and accounts.
    pub keys: Arc<dyn KeyDirectory>,
    /// Rates, concurrency, quota.
    pub limits: Arc<dyn Counters>,
    /// Credits.
    pub credits: Arc<dyn Ledger>,
}

/// Bounds of the caches in front of the key directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// For keys that exist.
    pub present: CacheBounds,
    /// For keys that do not.
    pub absent: CacheBounds,
}

impl Default for CacheConfig {
    /// 65,536 keys for a minute, and 4,096 that do not exist for ten seconds.
    fn default() -> Self {
        Self {
            present: CacheBounds { entries: 65_536, kept_for: Duration::from_secs(60) },
            absent: CacheBounds { entries: 4096, kept_for: Duration::from_secs(10) },
        }
    }
}

impl Admission {
    /// A door in front of these stores.
    pub fn new(stores: Stores, pepper: Pepper, plans: Arc<Plans>, settings: CacheConfig) -> Arc<Self> {
        let cache = Arc::new(KeyCache::new(settings.present, settings.absent));
        stores.keys.watch(cache.clone());
        Arc::new(Self { stores, pepper, plans, cache, apis: Mutex::default() })
    }

    /// The plans in force, which may be replaced at any time.
    pub fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    /// The forms of keys that were brought along, of all APIs.
    pub fn foreign(&self) -> Option<Arc<ImportedForms>> {
        self.stores.keys.foreign()
    }

    /// Whose secret this is. `prefix` is that of the API's keys.
    pub fn authenticate(
        self: &Arc<Self>,
        secret: &str,
        api: &str,
        prefix: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        self.authenticate_over(None, secret, api, prefix, now)
    }

    /// The same for a secret that came over a connection, which remembers who it is. What it remembers saves a look into
    /// the table, and proves nothing.
    pub fn authenticate_over(
        self: &Arc<Self>,
        connection: Option<&ConnectionCache>,
        secret: &str,
        api: &str,
        prefix: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        self.authenticate_unless(|_| Ok(()), connection, secret, api, prefix, now)
    }

    /// The same, with a say in whether the store is asked: `may_look_up` is called only for a key of which the cache
    /// knows nothing, and its denial is the answer. A key that is cached never depends on it.
    pub fn authenticate_unless(
        self: &Arc<Self>,
        may_look_up: impl FnOnce(Attempt) -> Result<(), Denial>,
        connection: Option<&ConnectionCache>,
        secret: &str,
        api: &str,
        prefix: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        // First of all: the memory is asked for what is known of the caller, and the digest made meanwhile.
        let mut recalled = connection.and_then(ConnectionCache::lookup);
        let is_comparable = recalled.as_ref().is_some_and(CachedPrincipal::is_anybody);
        let place = (!is_comparable).then(|| self.cache.place(secret));
        let plans = self.plans.revision();
        let (digest, candidates) = if Secret::check(secret, prefix).is_ok() {
            // Known keys, which is nearly all, need no digest but that under the current pepper.
            (self.pepper.digest(secret), None)
        } else {
            let forms = self.stores.keys.foreign();
            let candidates =
                forms.map(|forms| forms.candidates(secret, api, &self.pepper)).unwrap_or_default();
            let Some(digest) = candidates.first() else {
                return MaybeFuture::Ready(Err(Denial::CredentialMalformed));
            };
            (*digest, Some(candidates))
        };
        if let Some(again) = recalled.as_mut().and_then(|recalled| recalled.hit(&digest, plans, now)) {
            return MaybeFuture::Ready(self.admit(KeyLookup::Principal(again), api, now));
        }
        let place = place.unwrap_or_else(|| self.cache.place(secret));
        if let Some(known) = self.cache.find(place, &digest, plans, now) {
            let admitted = self.admit(known, api, now);
            if let (Some(recalled), Ok(principal)) = (&mut recalled, &admitted) {
                recalled.remember(principal);
            }
            return MaybeFuture::Ready(admitted);
        }
        drop(recalled);
        // Keys of our own have a checksum; candidates of imported keys were looked for above.
        let attempt = if candidates.is_some() { Attempt::Other } else { Attempt::WellFormed };
        if let Err(denial) = may_look_up(attempt) {
            return MaybeFuture::Ready(Err(denial));
        }
        let candidates = candidates.unwrap_or_else(|| self.pepper.digests(secret));
        self.look_up(candidates, place, plans, api, now)
    }

    fn look_up(
        self: &Arc<Self>,
        candidates: Candidates,
        place: CacheSlot,
        plans: u64,
        api: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        let seen = self.cache.seen(plans);
        let (door, api) = (Arc::clone(self), api.to_owned());
        self.stores
            .keys
            .find(&candidates)
            .map(move |found| door.found(found, &candidates, (place, seen), &api, now))
    }

    /// What the directory said of these digests.
    fn found(
        &self,
        found: Result<Option<Arc<Credential>>, StoreError>,
        candidates: &Candidates,
        (place, seen): (CacheSlot, Epoch),
        api: &str,
        now: Now,
    ) -> Result<Arc<Principal>, Denial> {
        let found = found.map_err(|cause| StoreKind::Keys.unavailable(cause))?;
        let Some(current) = candidates.first() else {
            return Err(Denial::CredentialUnknown);
        };
        // In constant time: nothing about the stored digest shows in the time taken.
        let matching =
            |credential: &Arc<Credential>| candidates.iter().any(|digest| digest.matches(&credential.digest));
        let known = match found.filter(matching) {
            Some(credential) => {
                if let Some(newer) = self.pepper.newer(&credential.digest, candidates) {
                    self.stores.keys.refresh(&credential.digest, &newer);
                }
                let term = self.cache.present_term(*current, seen, now);
                let principal = Arc::new(self.principal(term, credential, now));
                self.cache.keep_present(place, &principal, seen, now);
                KeyLookup::Principal(principal)
            }
            None => {
                self.cache.keep_absent(*current, seen, now);
                KeyLookup::Absent
            }
        };
        self.admit(known, api, now)
    }

    fn admit(&self, known: KeyLookup, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
        let KeyLookup::Principal(principal) = known else {
            return Err(Denial::CredentialUnknown);
        };
        if !principal.is_valid_for(api, now.wall) {
            return Err(not_opening(&principal, api, now));
        }
        if principal.should_record_use(now.wall) {
            self.stores.keys.used(&principal.key().id, now.wall);
        }
        Ok(principal)
    }

    /// Takes from all limits of the account's plan, or from none.
    ///
    /// ```
    /// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
    /// # use demur_admission::memory::{MemoryDirectory, MemoryLedger};
    /// # use demur_admission::*;
    /// # use jiff::tz::TimeZone;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shop.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Two requests a minute, three a day, one at once.
    /// let (admission, caller, now) = shop()?;
    /// let take = |now| admission.take(&caller, &Demand::ONE, now).block();
    ///
    /// let first = take(now).unwrap();
    /// assert!(matches!(take(now), Err(Denial::RateConcurrency { slots: 1, .. })));
    /// drop(first); // The request ends, and its slot is free.
    ///
    /// drop(take(now).unwrap());
    /// let Err(Denial::RateExceeded { name, retry_after, .. }) = take(now) else { panic!() };
    /// assert_eq!((&*name, retry_after), ("burst", Some(Duration::from_secs(30))));
    ///
    /// // What was refused took nothing from the day's quota: one of three is left.
    /// let later = Now { monotonic: now.monotonic + Duration::from_secs(60), ..now };
    /// let last = take(later).unwrap();
    /// let report: Vec<_> = last.report(later).iter().map(|limit| (limit.limit, limit.remaining)).collect();
    /// assert_eq!(report, [(2, 1), (3, 0)]);
    /// last.refund(later); // For when nothing came of it by our own fault.
    /// drop(take(later).unwrap());
    /// let Err(Denial::QuotaExceeded { resets_in, .. }) = take(later) else { panic!() };
    /// assert_eq!(resets_in, Duration::from_secs(12 * 3600));
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(
        &self,
        principal: &Arc<Principal>,
        demand: &Demand<'_>,
        now: Now,
    ) -> MaybeFuture<Result<LimitPermit, Denial>> {
        let taker = Arc::clone(principal);
        principal.meter().take(demand, now).map(|taking| match taking {
            Ok(Ok(receipt)) => Ok(LimitPermit::new(taker, receipt)),
            Ok(Err(exceeded)) => Err(exceeded.into()),
            Err(cause) => Err(StoreKind::Limits.unavailable(cause)),
        })
    }

    /// Holds credits for an operation. What costs nothing holds nothing, and asks no store.
    ///
    /// ```
    /// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
    /// # use demur_admission::memory::{MemoryDirectory, MemoryLedger};
    /// # use demur_admission::*;
    /// # use jiff::tz::TimeZone;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shop.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (admission, caller, now) = shop()?; // Ten credits a month.
    /// let lease = Duration::from_secs(30); // How long a request may take.
    /// let hold = |id: &str, amount| {
    ///     let operation = id.parse().unwrap(); // The request's id, for instance.
    ///     admission.hold(&caller, &Charge { operation: &operation, amount, lease }, now).block()
    /// };
    ///
    /// let mut order = hold("order-1", 4).unwrap();
    /// order.forwarded(); // From here on something may have happened: dropped now, it would be charged.
    /// order.post_used(3); // One of the four flows back.
    ///
    /// drop(hold("order-2", 4).unwrap()); // Never forwarded: released.
    /// let balance = admission.balance(&caller, now).block().unwrap();
    /// assert_eq!((balance.available, balance.held, balance.posted), (7, 0, 3));
    ///
    /// let Err(Denial::CreditsExhausted { needed, available, resets_at }) = hold("order-3", 8) else { panic!() };
    /// assert_eq!((needed, available), (8, 7));
    /// assert_eq!(resets_at, Some("2026-12-01T00:00:00Z".parse()?));
    ///
    /// // Five are held: three would be enough but for those.
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
        let monthly = principal.plan().credits.as_ref();
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let ledger = Arc::clone(&self.stores.credits);
        self.stores.credits.hold(&request).map(move |outcome| {
            match outcome.map_err(|cause| StoreKind::Credits.unavailable(cause))? {
                HoldOutcome::Held { hold, balance } => Ok(Hold::open(ledger, hold, amount, balance)),
                HoldOutcome::Repeated { balance } => Ok(Hold::charged_before(balance)),
                other => Err(denied(&other, amount, Duration::ZERO)),
            }
        })
    }

    /// Claims an operation that the client has named, for one execution, and holds its credits. What costs nothing is
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
    /// let claim = |id: &str, content: &[u8]| {
    ///     let operation = id.parse().unwrap(); // The client's Idempotency-Key.
    ///     let charge = Charge { operation: &operation, amount: 4, lease: Duration::from_secs(30) };
    ///     let claim = Claim {
    ///         fingerprint: Fingerprint::of(&[content]),
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
    /// // The same request again gets the same response, and another one cannot use its name.
    /// let Ok(Claimed::Replay(response)) = claim("order-1", b"tea") else { panic!() };
    /// assert_eq!(response.as_bytes(), b"thank you");
    /// assert!(matches!(claim("order-1", b"coffee"), Err(Denial::IdempotencyMismatch)));
    ///
    /// // What failed was released, and may run again.
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
        let monthly = principal.plan().credits.as_ref();
        let request = HoldRequest { account, operation, amount, lease, monthly, now };
        let ledger = Arc::clone(&self.stores.credits);
        match self.stores.credits.claim(&request, claim) {
            MaybeFuture::Ready(outcome) => match Self::claimed(outcome, &ledger, amount, claim) {
                Ok(Some(claimed)) => MaybeFuture::Ready(Ok(claimed)),
                Ok(None) => replay(&ledger, account, operation, claim, now),
                Err(denial) => MaybeFuture::Ready(Err(denial)),
            },
            MaybeFuture::Pending(asked) => {
                let (account, operation, claim) = (account.clone(), operation.clone(), *claim);
                MaybeFuture::Pending(Box::pin(async move {
                    match Self::claimed(asked.await, &ledger, amount, &claim)? {
                        Some(claimed) => Ok(claimed),
                        None => replay(&ledger, &account, &operation, &claim, now).wait().await,
                    }
                }))
            }
        }
    }

    /// What the outcome of a claim says; `None` where the response is to be read.
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
            HoldOutcome::Repeated { balance } => Ok(Some(Claimed::Repeat(Hold::charged_before(balance)))),
            HoldOutcome::Completed { is_stored: true } if claim.repeats == RepeatPolicy::Replay => Ok(None),
            other => Err(denied(&other, amount, claim.ttl)),
        }
    }

    /// What the account has.
    pub fn balance(&self, principal: &Principal, now: Now) -> MaybeFuture<Result<Balance, Denial>> {
        let monthly = principal.plan().credits.as_ref();
        let balance = self.stores.credits.balance(&principal.account().id, monthly, now);
        balance.map(|found: Result<Balance, StoreError>| {
            found.map_err(|cause| StoreKind::Credits.unavailable(cause))
        })
    }

    fn principal(&self, term: EntryMeta, credential: Arc<Credential>, now: Now) -> Principal {
        let plan = self.plans.plan(&credential.account.plan);
        let meter = self.stores.limits.open(&credential.account, &credential.key.id, &plan, now);
        Principal::new(term, self.api(&credential.key.api), credential, meter)
    }

    fn api(&self, name: &str) -> Arc<str> {
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = apis.get(name) {
            return Arc::clone(known);
        }
        let known: Arc<str> = name.into();
        apis.insert(Arc::clone(&known));
        known
    }
}

/// The stored response, or that there is none any more.
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

/// Why nothing is held.
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

/// When to try again where too many operations are remembered: one is forgotten by and by.
const TOO_MANY_DELAY: Duration = Duration::from_secs(60);

/// Why a key that is there does not open. Its state is named only here, after the whole secret has matched;
/// a key of another API is unknown to this one.
fn not_opening(principal: &Principal, api: &str, now: Now) -> Denial {
    let key = principal.key();
    if key.api != api {
        return Denial::CredentialUnknown;
    }
    if let Some(revoked_at) = principal.credential().replaced.filter(|ends| *ends <= now.wall) {
        return Denial::CredentialRevoked { revoked_at };
    }
    match (key.state(now.wall), key.expires, key.disabled) {
        (KeyState::Expired, Some(expired_at), _) => Denial::CredentialExpired { expired_at },
        (KeyState::Disabled, _, Some(disabled_at)) => Denial::CredentialDisabled { disabled_at },
        _ => Denial::CredentialRevoked { revoked_at: key.revoked.unwrap_or(key.created) },
    }
}
