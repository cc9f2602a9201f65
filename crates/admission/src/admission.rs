//! Admission: authenticate a secret, take from the limits, hold credits. Each step admits the request or returns a
//! [`Denial`].

mod credits;
mod tokens;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::{CacheBounds, CacheSlot, Epoch, KeyCache, KeyLookup};
use crate::cache_entry::EntryMeta;
use crate::connection_cache::CachedPrincipal;
use crate::{
    Attempt, Candidates, ConnectionCache, Counters, Credential, Demand, Denial, Hold, ImportedForms,
    KeyDirectory, KeyState, Ledger, LimitPermit, MaybeFuture, Now, Pepper, Plans, Principal, Secret,
    StoreError, StoreKind, StoredResponse,
};

pub use tokens::{TokenIdentity, TokenLookup, TokenSlot};

/// Decides which requests are admitted, on top of three stores.
pub struct Admission {
    stores: Stores,
    pepper: Pepper,
    plans: Arc<Plans>,
    cache: Arc<KeyCache>,
    /// The names of the APIs, interned.
    api_names: Mutex<BTreeSet<Arc<str>>>,
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// The caller must execute the operation and settle the hold.
    First(Hold),
    /// The operation was executed before; this is its response.
    Replay(StoredResponse),
    /// The operation was executed before, and the upstream deduplicates: forward the repeat, which costs nothing.
    Repeat(Hold),
}

/// The three stores. One store can implement all three traits.
#[derive(Clone)]
pub struct Stores {
    /// The store of keys and accounts.
    pub keys: Arc<dyn KeyDirectory>,
    /// The store of rates, concurrency and quota.
    pub limits: Arc<dyn Counters>,
    /// The store of credits.
    pub credits: Arc<dyn Ledger>,
}

/// The sizes and lifetimes of the caches in front of the key directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// The cache of keys that exist.
    pub present: CacheBounds,
    /// The cache of digests without a key.
    pub absent: CacheBounds,
}

impl Default for CacheConfig {
    /// 65,536 keys for a minute, and 4,096 unknown digests for ten seconds.
    fn default() -> Self {
        Self {
            present: CacheBounds { entries: 65_536, ttl: Duration::from_secs(60) },
            absent: CacheBounds { entries: 4096, ttl: Duration::from_secs(10) },
        }
    }
}

impl Admission {
    /// Creates an admission on these stores.
    pub fn new(stores: Stores, pepper: Pepper, plans: Arc<Plans>, cache: CacheConfig) -> Arc<Self> {
        let cache = Arc::new(KeyCache::new(cache.present, cache.absent));
        stores.keys.watch(cache.clone());
        Arc::new(Self { stores, pepper, plans, cache, api_names: Mutex::default() })
    }

    /// Returns the plans, which may be replaced at any time.
    pub fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    /// Returns the forms of imported keys, of all APIs.
    pub fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.stores.keys.imported()
    }

    /// Authenticates a secret. `prefix` is that of the API's keys.
    pub fn authenticate(
        self: &Arc<Self>,
        secret: &str,
        api: &str,
        prefix: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        self.authenticate_over(None, secret, api, prefix, now)
    }

    /// Like [`authenticate`](Self::authenticate), for a secret that arrived on a connection with a cache of its last
    /// principal. That cache only saves a lookup; the secret is still verified.
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

    /// Like [`authenticate_over`](Self::authenticate_over), but calls `may_look_up` before a key that is not cached is
    /// looked up in the store, and returns its denial. Cached keys do not depend on it.
    pub fn authenticate_unless(
        self: &Arc<Self>,
        may_look_up: impl FnOnce(Attempt) -> Result<(), Denial>,
        connection: Option<&ConnectionCache>,
        secret: &str,
        api: &str,
        prefix: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        // First: prefetch what is known of the caller, so that it arrives while the digest is computed.
        let mut cached = connection.and_then(ConnectionCache::lookup);
        let has_principal = cached.as_ref().is_some_and(CachedPrincipal::has_principal);
        let slot = (!has_principal).then(|| self.cache.slot_of_secret(secret));
        let plans = self.plans.revision();
        let (digest, candidates) = if Secret::check(secret, prefix).is_ok() {
            // A cached key, the usual case, needs only the digest under the current pepper.
            (self.pepper.digest(secret), None)
        } else {
            let forms = self.stores.keys.imported();
            let candidates =
                forms.map(|forms| forms.candidates(secret, api, &self.pepper)).unwrap_or_default();
            let Some(digest) = candidates.first() else {
                return MaybeFuture::Ready(Err(Denial::CredentialMalformed));
            };
            (*digest, Some(candidates))
        };
        if let Some(principal) = cached.as_mut().and_then(|cached| cached.hit(&digest, plans, now)) {
            return MaybeFuture::Ready(self.admit(KeyLookup::Principal(principal), api, now));
        }
        let slot = slot.unwrap_or_else(|| self.cache.slot_of_secret(secret));
        if let Some(lookup) = self.cache.find(slot, &digest, plans, now) {
            let admitted = self.admit(lookup, api, now);
            if let (Some(cached), Ok(principal)) = (&mut cached, &admitted) {
                cached.remember(principal);
            }
            return MaybeFuture::Ready(admitted);
        }
        drop(cached);
        // Secrets that Demur generated have a checksum; the candidates of imported keys were computed above.
        let attempt = if candidates.is_some() { Attempt::Other } else { Attempt::WellFormed };
        if let Err(denial) = may_look_up(attempt) {
            return MaybeFuture::Ready(Err(denial));
        }
        let candidates = candidates.unwrap_or_else(|| self.pepper.digests(secret));
        self.look_up(candidates, slot, plans, api, now)
    }

    /// The caller of a key that was denied just now because it is revoked, expired or disabled, for logs. `None` if the
    /// cache has lost it since.
    pub fn denied_caller(&self, secret: &str, api: &str, prefix: &str, now: Now) -> Option<Arc<Principal>> {
        let digest = if Secret::check(secret, prefix).is_ok() {
            self.pepper.digest(secret)
        } else {
            *self.stores.keys.imported()?.candidates(secret, api, &self.pepper).first()?
        };
        let slot = self.cache.slot_of_secret(secret);
        match self.cache.find(slot, &digest, self.plans.revision(), now)? {
            KeyLookup::Principal(principal) => Some(principal),
            KeyLookup::Absent => None,
        }
    }

    /// How many changes of keys and accounts there have been.
    pub(crate) fn key_changes(&self) -> u64 {
        self.cache.changes()
    }

    /// The key with one of these digests, if it is cached.
    pub(crate) fn cached_credential(&self, digests: &Candidates) -> Option<Arc<Credential>> {
        digests.iter().find_map(|digest| self.cache.current(digest)).map(|it| Arc::clone(it.credential()))
    }

    /// The key with one of these digests in the store.
    pub(crate) fn stored_credential(
        &self,
        digests: &Candidates,
    ) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>> {
        self.stores.keys.find(digests)
    }

    fn look_up(
        self: &Arc<Self>,
        candidates: Candidates,
        slot: CacheSlot,
        plans: u64,
        api: &str,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        let epoch = self.cache.epoch(plans);
        let (admission, api) = (Arc::clone(self), api.to_owned());
        self.stores
            .keys
            .find(&candidates)
            .map(move |found| admission.on_found(found, &candidates, (slot, epoch), &api, now))
    }

    /// Handles the result of a lookup in the directory.
    fn on_found(
        &self,
        found: Result<Option<Arc<Credential>>, StoreError>,
        candidates: &Candidates,
        (slot, epoch): (CacheSlot, Epoch),
        api: &str,
        now: Now,
    ) -> Result<Arc<Principal>, Denial> {
        let found = found.map_err(|cause| StoreKind::Keys.unavailable(cause))?;
        let Some(current) = candidates.first() else {
            return Err(Denial::CredentialUnknown);
        };
        // In constant time: the duration reveals nothing about the stored digest.
        let matching =
            |credential: &Arc<Credential>| candidates.iter().any(|digest| digest.matches(&credential.digest));
        let lookup = match found.filter(matching) {
            Some(credential) => {
                if let Some(current_digest) = self.pepper.current_digest(&credential.digest, candidates) {
                    self.stores.keys.refresh(&credential.digest, &current_digest);
                }
                let meta = self.cache.present_meta(*current, epoch, now);
                let principal = Arc::new(self.principal(meta, credential, now));
                self.cache.keep_present(slot, &principal, epoch, now);
                KeyLookup::Principal(principal)
            }
            None => {
                self.cache.keep_absent(*current, epoch, now);
                KeyLookup::Absent
            }
        };
        self.admit(lookup, api, now)
    }

    fn admit(&self, lookup: KeyLookup, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
        let KeyLookup::Principal(principal) = lookup else {
            return Err(Denial::CredentialUnknown);
        };
        if !principal.is_valid_for(api, now.wall) {
            let denial = denial_of(principal.credential(), api, now.wall);
            return Err(denial.unwrap_or(Denial::CredentialUnknown));
        }
        if principal.should_record_use(now.wall) {
            self.stores.keys.used(&principal.key().id, now.wall);
        }
        Ok(principal)
    }

    /// Takes a request from all limits of the account's plan, or from none of them.
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
    /// // A rejected request takes nothing from the day's quota: one of three is left.
    /// let later = Now { monotonic: now.monotonic + Duration::from_secs(60), ..now };
    /// let last = take(later).unwrap();
    /// let report: Vec<_> = last.report(later).iter().map(|limit| (limit.limit, limit.remaining)).collect();
    /// assert_eq!(report, [(2, 1), (3, 0)]);
    /// last.refund(later); // For a request that failed through the gateway's own fault.
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
        let owner = Arc::clone(principal);
        principal.meter().take(demand, now).map(|result| match result {
            Ok(Ok(receipt)) => Ok(LimitPermit::new(owner, receipt)),
            Ok(Err(exceeded)) => Err(exceeded.into()),
            Err(cause) => Err(StoreKind::Limits.unavailable(cause)),
        })
    }

    fn principal(&self, meta: EntryMeta, credential: Arc<Credential>, now: Now) -> Principal {
        let plan = self.plans.plan(&credential.account.plan);
        let meter = self.stores.limits.open(&credential.account, &credential.key.id, &plan, now);
        Principal::new(meta, self.intern_api(&credential.key.api), credential, meter)
    }

    fn intern_api(&self, name: &str) -> Arc<str> {
        let mut names = self.api_names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        let known: Arc<str> = name.into();
        names.insert(Arc::clone(&known));
        known
    }
}

/// Why a key that exists is not valid, if it is not. The key's state is disclosed only here, after the whole secret has
/// matched. A key of another API is unknown to this one.
pub(crate) fn denial_of(credential: &Credential, api: &str, at: Timestamp) -> Option<Denial> {
    let key = &credential.key;
    if key.api != api {
        return Some(Denial::CredentialUnknown);
    }
    if let Some(revoked_at) = credential.replaced.filter(|ends| *ends <= at) {
        return Some(Denial::CredentialRevoked { revoked_at });
    }
    match (key.state(at), key.expires, key.disabled) {
        (KeyState::Active, ..) => None,
        (KeyState::Expired, Some(expired_at), _) => Some(Denial::CredentialExpired { expired_at }),
        (KeyState::Disabled, _, Some(disabled_at)) => Some(Denial::CredentialDisabled { disabled_at }),
        _ => Some(Denial::CredentialRevoked { revoked_at: key.revoked.unwrap_or(key.created) }),
    }
}
