//! The cache of a connection's last principal.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::cache_entry::CacheEntry;
use crate::prefetch::{prefetch, prefetch_shared, prefetch_value};
use crate::{Digest, Now, Principal};

/// A connection's last principal, which is nearly always the principal of the next request.
///
/// A server keeps one per connection, and passes it to [`authenticate_over`](crate::Admission::authenticate_over) with each
/// request. It is not trusted: the secret of every request is digested and compared, and a stale record is not used. It only
/// says where to look. With very many keys the principal must be loaded from memory; so it is prefetched while the secret is
/// digested, and no table is searched.
///
/// ```
/// # use std::sync::Arc;
/// # use demur_admission::*;
/// fn serve(admission: &Arc<Admission>, requests: impl Iterator<Item = (Secret, Now)>) {
///     let connection = ConnectionCache::default();
///     for (secret, now) in requests {
///         let principal = admission.authenticate_over(Some(&connection), secret.expose(), "shop", "shop", now);
///         // …
/// #       drop(principal);
///     }
/// }
/// ```
///
/// It must be used with one [`Admission`](crate::Admission) only: another one would not be notified of changes of the
/// principal.
#[derive(Default)]
pub struct ConnectionCache {
    /// A lock of one connection, whose requests are sequential or on one thread: it costs as much as any other shared
    /// reference, and is never waited for. A request that finds it locked proceeds without.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    caller: Option<Arc<Principal>>,
    /// The address of the account's counts, to prefetch them.
    counts_addr: usize,
    /// How many consecutive requests had another principal than the one before.
    misses: u8,
}

/// After so many consecutive misses the connection belongs to a proxy of many callers, and nothing is cached any more.
const MISS_LIMIT: u8 = 8;

impl ConnectionCache {
    /// Prefetches the cached principal, for a server that knows that a request has arrived but not yet its secret.
    pub fn prepare(&self) {
        prefetch_value(self);
    }

    /// Returns the cached principal, and prefetches its record.
    pub(crate) fn lookup(&self) -> Option<CachedPrincipal<'_>> {
        let last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        if let Some(caller) = &last.caller {
            prefetch(last.counts_addr, Principal::PREFETCH_BYTES);
            prefetch_shared(caller);
        }
        Some(CachedPrincipal(last))
    }
}

/// The locked cache of a connection.
pub(crate) struct CachedPrincipal<'a>(MutexGuard<'a, Last>);

impl CachedPrincipal<'_> {
    /// Whether a principal is cached.
    pub(crate) fn has_principal(&self) -> bool {
        self.0.caller.is_some()
    }

    /// Returns the cached principal if the digest is that of its secret and the record is fresh.
    pub(crate) fn hit(&mut self, digest: &Digest, plans: u64, now: Now) -> Option<Arc<Principal>> {
        let caller = self.0.caller.as_ref()?;
        if caller.meta().is_fresh(digest, plans, now) {
            let caller = Arc::clone(caller);
            self.0.misses = 0;
            return Some(caller);
        }
        if caller.meta().is_evicted() {
            self.0.caller = None;
        }
        None
    }

    /// Caches a principal that the table has found, unless there were too many consecutive misses.
    pub(crate) fn remember(&mut self, principal: &Arc<Principal>) {
        let last = &mut *self.0;
        // A principal that was looked up again is no miss: its old record was evicted and removed.
        if last.caller.is_some() {
            last.misses += 1;
        }
        let is_shared = last.misses >= MISS_LIMIT;
        last.caller = (!is_shared).then(|| Arc::clone(principal));
        last.counts_addr = principal.prefetch_addr();
    }
}

impl fmt::Debug for ConnectionCache {
    /// Shows whether a principal is cached, and nothing about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_principal = self.last.try_lock().is_ok_and(|last| last.caller.is_some());
        f.debug_struct("ConnectionCache").field("has_principal", &has_principal).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::memory::{MemoryDirectory, MemoryLedger};
    use crate::{
        Account, Admission, CacheBounds, CacheConfig, Clock, Denial, Grants, KeyId, KeyRecord, LocalCounters,
        Pepper, Plan, Plans, Secret, Stores,
    };

    struct Fixture {
        keys: Arc<MemoryDirectory>,
        admission: Arc<Admission>,
        now: Now,
    }

    impl Fixture {
        fn with_capacity(entries: usize) -> Self {
            let keys = Arc::new(MemoryDirectory::new());
            let (limits, credits) = (Arc::new(LocalCounters::new()), Arc::new(MemoryLedger::new()));
            let stores = Stores { keys: keys.clone(), limits, credits };
            let mut config = CacheConfig::default();
            config.present = CacheBounds { entries, ..config.present };
            let plans = Arc::new(Plans::new([Plan::named("plan")]));
            let admission = Admission::new(stores, Pepper::from_bytes(&[7; 32]), plans, config);
            Self { keys, admission, now: Clock::start().now() }
        }

        fn key(&self, name: &str) -> Secret {
            let account = Account {
                id: name.parse().unwrap(),
                name: String::new(),
                plan: "plan".into(),
                grant_day: None,
            };
            let key = KeyRecord {
                id: KeyId::generate(),
                account: account.id.clone(),
                api: "shop".into(),
                prefix: "shop".into(),
                created: self.now.wall,
                expires: None,
                revoked: None,
                disabled: None,
                grants: Grants::default(),
                metadata: BTreeMap::new(),
            };
            let secret = Secret::generate("shop").unwrap();
            self.keys.insert(Pepper::from_bytes(&[7; 32]).digest(secret.expose()), key, account);
            secret
        }

        fn authenticate(&self, over: &ConnectionCache, secret: &str) -> Result<String, Denial> {
            let result =
                self.admission.authenticate_over(Some(over), secret, "shop", "shop", self.now).block();
            result.map(|principal| principal.account().id.to_string())
        }
    }

    fn last(cache: &ConnectionCache) -> Option<String> {
        let last = cache.last.lock().unwrap();
        last.caller.as_ref().map(|caller| caller.account().id.to_string())
    }

    #[test]
    fn authenticates_by_the_secret_and_not_by_the_last_principal() {
        let fixture = Fixture::with_capacity(64);
        let (one, other, unknown) =
            (fixture.key("one"), fixture.key("other"), Secret::generate("shop").unwrap());
        let connection = ConnectionCache::default();
        for _ in 0..3 {
            for (secret, expected) in [
                (one.expose(), Ok("one".to_owned())),
                (one.expose(), Ok("one".to_owned())),
                (unknown.expose(), Err(Denial::CredentialUnknown)),
                ("shop_short", Err(Denial::CredentialMalformed)),
                (other.expose(), Ok("other".to_owned())),
            ] {
                assert_eq!(fixture.authenticate(&connection, secret), expected);
            }
        }
    }

    #[test]
    fn caches_the_last_principal_until_the_miss_limit() {
        let fixture = Fixture::with_capacity(64);
        let (one, other) = (fixture.key("one"), fixture.key("other"));
        let connection = ConnectionCache::default();
        // In the table already, as after each key's first request.
        for secret in [&one, &other] {
            fixture.authenticate(&ConnectionCache::default(), secret.expose()).unwrap();
        }
        // Alternating pairs never reach the limit.
        for _ in 0..20 {
            for (secret, name) in [(&one, "one"), (&one, "one"), (&other, "other"), (&other, "other")] {
                fixture.authenticate(&connection, secret.expose()).unwrap();
                assert_eq!(last(&connection).as_deref(), Some(name));
            }
        }
        for turn in 1..300 {
            let secret = if turn % 2 == 0 { &other } else { &one };
            fixture.authenticate(&connection, secret.expose()).unwrap();
            assert_eq!(last(&connection).is_some(), turn < usize::from(MISS_LIMIT), "{turn}");
        }
        assert_eq!(fixture.authenticate(&connection, one.expose()).as_deref(), Ok("one"));
    }

    #[test]
    fn counts_no_miss_for_an_expired_record() {
        let mut fixture = Fixture::with_capacity(64);
        let (secret, connection) = (fixture.key("one"), ConnectionCache::default());
        for _ in 0..3 * MISS_LIMIT {
            // Each time the record has expired, and is created again.
            fixture.now.monotonic += Duration::from_secs(61);
            for _ in 0..2 {
                fixture.authenticate(&connection, secret.expose()).unwrap();
            }
            assert!(last(&connection).is_some());
        }
    }

    #[test]
    fn forgets_a_revoked_principal() {
        let fixture = Fixture::with_capacity(64);
        let (secret, connection) = (fixture.key("one"), ConnectionCache::default());
        fixture.authenticate(&connection, secret.expose()).unwrap();
        fixture.authenticate(&connection, secret.expose()).unwrap();
        let id = connection.last.lock().unwrap().caller.as_ref().unwrap().key().id.clone();
        assert!(fixture.keys.revoke(&id, fixture.now.wall));
        assert!(fixture.authenticate(&connection, secret.expose()).is_err());
        assert_eq!(last(&connection), None);
    }

    #[test]
    fn ignores_a_record_that_was_evicted_from_the_table() {
        // With capacity for seven, most of fifty are evicted, and no later change could find them.
        let fixture = Fixture::with_capacity(7);
        let callers: Vec<_> = (0..50).map(|number| fixture.key(&format!("caller-{number}"))).collect();
        let connections: Vec<_> = callers.iter().map(|_| ConnectionCache::default()).collect();
        for (connection, secret) in connections.iter().zip(&callers) {
            for _ in 0..3 {
                fixture.authenticate(connection, secret.expose()).unwrap();
            }
            assert!(last(connection).is_some());
        }
        for (number, (connection, secret)) in connections.iter().zip(&callers).enumerate() {
            let principal =
                fixture.admission.authenticate(secret.expose(), "shop", "shop", fixture.now).block().unwrap();
            assert!(fixture.keys.revoke(&principal.key().id, fixture.now.wall));
            let denied = fixture.authenticate(connection, secret.expose());
            assert_eq!(denied, Err(Denial::CredentialRevoked { revoked_at: fixture.now.wall }), "{number}");
        }
    }

    #[test]
    fn a_revocation_is_effective_when_it_returns_despite_concurrent_requests() {
        let fixture = &Fixture::with_capacity(64);
        let revoked = Err(Denial::CredentialRevoked { revoked_at: fixture.now.wall });
        for _ in 0..300 {
            let (secret, connection) = (&fixture.key("acme"), &ConnectionCache::default());
            let principal =
                fixture.admission.authenticate(secret.expose(), "shop", "shop", fixture.now).block().unwrap();
            std::thread::scope(|scope| {
                let until = |is_so: &dyn Fn() -> bool| {
                    let deadline = Instant::now() + Duration::from_secs(30);
                    while !is_so() {
                        assert!(Instant::now() < deadline);
                        std::thread::yield_now();
                    }
                };
                let other = scope
                    .spawn(move || until(&|| fixture.authenticate(connection, secret.expose()).is_err()));
                until(&|| last(connection).is_some());
                assert!(fixture.keys.revoke(&principal.key().id, fixture.now.wall));
                assert_eq!(fixture.authenticate(connection, secret.expose()), revoked);
                other.join().unwrap();
            });
        }
    }
}
