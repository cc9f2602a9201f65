//! The door: authenticate, take from the limits, hold credits. Each step ends with a pass or a [`Denial`].

use std::sync::Arc;
use std::time::Duration;

use std::num::NonZeroU32;

use crate::cache::{Cache, CacheBounds, Known};
use crate::{
    Answer, Balance, Counters, Credential, Denial, Digest, Fingerprint, Hold, HoldOutcome, HoldRequest,
    KeyDirectory, KeyState, Ledger, Now, OperationId, Pepper, PlanBook, Principal, Secret, StoreError,
    StorePart, Taken,
};

/// Who may pass.
pub struct Admission {
    stores: Stores,
    pepper: Pepper,
    plans: Arc<PlanBook>,
    cache: Arc<Cache>,
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
pub struct Settings {
    /// For keys that exist.
    pub present: CacheBounds,
    /// For keys that do not.
    pub absent: CacheBounds,
}

impl Default for Settings {
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
    pub fn new(stores: Stores, pepper: Pepper, plans: Arc<PlanBook>, settings: Settings) -> Self {
        let cache = Arc::new(Cache::new(settings.present, settings.absent));
        stores.keys.watch(cache.clone());
        Self { stores, pepper, plans, cache }
    }

    /// The plans in force, which may be replaced at any time.
    pub fn plans(&self) -> &Arc<PlanBook> {
        &self.plans
    }

    /// Whose secret this is. `prefix` is that of the API's keys.
    pub fn authenticate<'a>(
        &'a self,
        secret: &str,
        api: &'a str,
        prefix: &str,
        now: Now,
    ) -> Answer<'a, Result<Arc<Principal>, Denial>> {
        if Secret::check(secret, prefix).is_err() {
            return Answer::Ready(Err(Denial::CredentialMalformed));
        }
        let digest = self.pepper.digest(secret);
        let plans = self.plans.revision();
        if let Some(known) = self.cache.find(&digest, plans, now) {
            return Answer::Ready(admit(known, &digest, api, now));
        }
        let seen = self.cache.seen(plans);
        self.stores.keys.find(&digest).map(move |found| {
            let known = match found.map_err(|cause| StorePart::Keys.unavailable(cause))? {
                Some(credential) => Known::Principal(self.principal(credential)),
                None => Known::Absent,
            };
            self.cache.keep(digest, known.clone(), seen, now);
            admit(known, &digest, api, now)
        })
    }

    /// Takes from all limits of the account's plan, or from none.
    pub fn take<'a>(
        &self,
        principal: &'a Principal,
        cost: NonZeroU32,
        now: Now,
    ) -> Answer<'a, Result<Taken, Denial>> {
        let meter = principal.meter();
        meter.take(cost, now).map(|taking| match taking {
            Ok(Ok(receipt)) => Ok(Taken::new(Arc::clone(meter), receipt)),
            Ok(Err(exceeded)) => Err(exceeded.into()),
            Err(cause) => Err(StorePart::Limits.unavailable(cause)),
        })
    }

    /// Holds credits for an operation. What costs nothing holds nothing, and asks no store.
    pub fn hold(
        &self,
        principal: &Principal,
        operation: &OperationId,
        fingerprint: Fingerprint,
        amount: u64,
        now: Now,
    ) -> Answer<'static, Result<Hold, Denial>> {
        if amount == 0 {
            return Answer::Ready(Ok(Hold::nothing()));
        }
        let account = &principal.account().id;
        let monthly = principal.plan().credits.as_ref();
        let request = HoldRequest { account, operation, fingerprint, amount, monthly, now };
        let ledger = Arc::clone(&self.stores.credits);
        self.stores.credits.hold(&request).map(move |outcome| {
            match outcome.map_err(|cause| StorePart::Credits.unavailable(cause))? {
                HoldOutcome::Held { hold, balance } => Ok(Hold::open(ledger, hold, amount, balance)),
                HoldOutcome::AlreadyCharged { balance } => Ok(Hold::charged_before(balance)),
                HoldOutcome::Insufficient { available, resets_at } => {
                    Err(Denial::CreditsExhausted { needed: amount, available, resets_at })
                }
                HoldOutcome::InFlight => Err(Denial::IdempotencyInFlight),
                HoldOutcome::Mismatch => Err(Denial::IdempotencyMismatch),
            }
        })
    }

    /// What the account has.
    pub fn balance(&self, principal: &Principal, now: Now) -> Answer<'static, Result<Balance, Denial>> {
        let monthly = principal.plan().credits.as_ref();
        let balance = self.stores.credits.balance(&principal.account().id, monthly, now);
        balance.map(|found: Result<Balance, StoreError>| {
            found.map_err(|cause| StorePart::Credits.unavailable(cause))
        })
    }

    fn principal(&self, credential: Arc<Credential>) -> Arc<Principal> {
        let plan = self.plans.plan(&credential.account.plan);
        let meter = self.stores.limits.open(&credential.account, &plan);
        Arc::new(Principal::new(credential, plan, meter))
    }
}

/// The state of a key is named only here, after the whole secret has matched. A key of another API is
/// unknown to this one.
fn admit(known: Known, digest: &Digest, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
    let Known::Principal(principal) = known else {
        return Err(Denial::CredentialUnknown);
    };
    let key = principal.key();
    if !principal.credential().digest.matches(digest) || key.api != api {
        return Err(Denial::CredentialUnknown);
    }
    match (key.state(now.wall), key.revoked, key.expires) {
        (KeyState::Revoked, Some(revoked_at), _) => Err(Denial::CredentialRevoked { revoked_at }),
        (KeyState::Expired, _, Some(expired_at)) => Err(Denial::CredentialExpired { expired_at }),
        _ => Ok(principal),
    }
}
