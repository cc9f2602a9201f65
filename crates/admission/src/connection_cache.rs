//! Who called last over a connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::cache::Remembered;
use crate::prefetch::{prefetch, prefetch_shared, prefetch_value};
use crate::{Digest, Now, Principal};

/// What a connection remembers of its caller, who is nearly always the one of the request before.
///
/// Whoever serves a connection keeps one for as long as it lasts, and hands it to
/// [`authenticate_over`](crate::Admission::authenticate_over) with each request. It proves nothing: the secret of every
/// request is digested and compared, and what is outdated is not believed. It says where to look. With very many keys
/// all that is known of a caller must come from memory; so it is asked for at once, while the secret is digested, and no
/// table is searched for where it is.
///
/// ```
/// # use std::sync::Arc;
/// # use demur_admission::*;
/// fn serve(door: &Arc<Admission>, requests: impl Iterator<Item = (Secret, Now)>) {
///     let connection = ConnectionCache::default();
///     for (secret, now) in requests {
///         let who = door.authenticate_over(Some(&connection), secret.expose(), "shop", "shop", now);
///         // …
/// #       drop(who);
///     }
/// }
/// ```
///
/// It belongs to one [`Admission`](crate::Admission) and is never shown to another one, which would take over a caller of
/// whose changes it is not told.
#[derive(Default)]
pub struct ConnectionCache {
    /// A lock of one connection alone, whose requests come one after another or have one thread: it costs as much as any
    /// other way to share a reference, and nobody waits for it. Who finds it taken does without.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    caller: Option<Arc<Principal>>,
    /// Where the counts of the caller's account are. For nothing but to have them brought.
    counts: usize,
    /// How many have come in a row of whom each was another than the one before.
    strangers: u8,
}

/// Where so many strangers come in a row, a proxy speaks for many callers: nobody is remembered any more.
const MISS_LIMIT: u8 = 8;

impl ConnectionCache {
    /// Has brought from the memory what is remembered, for whoever knows that a request has come, and not yet its secret.
    pub fn prepare(&self) {
        prefetch_value(self);
    }

    /// What is remembered. What is known of the last caller is asked for.
    pub(crate) fn lookup(&self) -> Option<CachedPrincipal<'_>> {
        let last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        if let Some(caller) = &last.caller {
            prefetch(last.counts, Principal::BEYOND);
            prefetch_shared(caller);
        }
        Some(CachedPrincipal(last))
    }
}

/// Locked while it is looked at.
pub(crate) struct CachedPrincipal<'a>(MutexGuard<'a, Last>);

impl CachedPrincipal<'_> {
    /// Whether there is anybody to whom a request can be compared.
    pub(crate) fn is_anybody(&self) -> bool {
        self.0.caller.is_some()
    }

    /// The last caller, if the secret of this digest is theirs and nothing has changed since.
    pub(crate) fn hit(&mut self, digest: &Digest, plans: u64, now: Now) -> Option<Arc<Principal>> {
        let caller = self.0.caller.as_ref()?;
        if caller.term().is_fresh(digest, plans, now) {
            let caller = Arc::clone(caller);
            self.0.strangers = 0;
            return Some(caller);
        }
        if caller.term().is_evicted() {
            self.0.caller = None;
        }
        None
    }

    /// Remembers whom the table has found, unless too many have come by turns.
    pub(crate) fn remember(&mut self, principal: &Arc<Principal>) {
        let last = &mut *self.0;
        // Who was looked up again is no stranger: the record before is over, and out of mind.
        if last.caller.is_some() {
            last.strangers += 1;
        }
        let is_crowd = last.strangers >= MISS_LIMIT;
        last.caller = (!is_crowd).then(|| Arc::clone(principal));
        last.counts = principal.prefetch_addr();
    }
}

impl fmt::Debug for ConnectionCache {
    /// Whether anybody is remembered, and nothing of who it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anybody = self.last.try_lock().is_ok_and(|last| last.caller.is_some());
        f.debug_struct("Acquaintance").field("anybody", &anybody).finish()
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

    struct Door {
        keys: Arc<MemoryDirectory>,
        admission: Arc<Admission>,
        now: Now,
    }

    impl Door {
        fn with_places_for(entries: usize) -> Self {
            let keys = Arc::new(MemoryDirectory::new());
            let (limits, credits) = (Arc::new(LocalCounters::new()), Arc::new(MemoryLedger::new()));
            let stores = Stores { keys: keys.clone(), limits, credits };
            let mut settings = CacheConfig::default();
            settings.present = CacheBounds { entries, ..settings.present };
            let plans = Arc::new(Plans::new([Plan::named("plan")]));
            let admission = Admission::new(stores, Pepper::from_bytes(&[7; 32]), plans, settings);
            Self { keys, admission, now: Clock::start().now() }
        }

        fn key(&self, name: &str) -> Secret {
            let account = Account { id: name.parse().unwrap(), name: String::new(), plan: "plan".into() };
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

        fn ask(&self, over: &ConnectionCache, secret: &str) -> Result<String, Denial> {
            let asked =
                self.admission.authenticate_over(Some(over), secret, "shop", "shop", self.now).block();
            asked.map(|principal| principal.account().id.to_string())
        }
    }

    fn last(acquaintance: &ConnectionCache) -> Option<String> {
        let last = acquaintance.last.lock().unwrap();
        last.caller.as_ref().map(|caller| caller.account().id.to_string())
    }

    #[test]
    fn whoever_asks_is_who_has_the_secret_and_not_who_asked_last() {
        let door = Door::with_places_for(64);
        let (one, other, nobody) = (door.key("one"), door.key("other"), Secret::generate("shop").unwrap());
        let connection = ConnectionCache::default();
        for _ in 0..3 {
            for (secret, expected) in [
                (one.expose(), Ok("one".to_owned())),
                (one.expose(), Ok("one".to_owned())),
                (nobody.expose(), Err(Denial::CredentialUnknown)),
                ("shop_short", Err(Denial::CredentialMalformed)),
                (other.expose(), Ok("other".to_owned())),
            ] {
                assert_eq!(door.ask(&connection, secret), expected);
            }
        }
    }

    #[test]
    fn the_last_caller_is_remembered_until_there_is_a_crowd() {
        let door = Door::with_places_for(64);
        let (one, other) = (door.key("one"), door.key("other"));
        let connection = ConnectionCache::default();
        // Known to the table already, as all are but at their first request.
        for secret in [&one, &other] {
            door.ask(&ConnectionCache::default(), secret.expose()).unwrap();
        }
        // Taking turns by twos is no crowd, however long it goes on.
        for _ in 0..20 {
            for (secret, name) in [(&one, "one"), (&one, "one"), (&other, "other"), (&other, "other")] {
                door.ask(&connection, secret.expose()).unwrap();
                assert_eq!(last(&connection).as_deref(), Some(name));
            }
        }
        for turn in 1..300 {
            let secret = if turn % 2 == 0 { &other } else { &one };
            door.ask(&connection, secret.expose()).unwrap();
            assert_eq!(last(&connection).is_some(), turn < usize::from(MISS_LIMIT), "{turn}");
        }
        assert_eq!(door.ask(&connection, one.expose()).as_deref(), Ok("one"));
    }

    #[test]
    fn a_caller_who_must_be_looked_up_each_time_is_no_crowd() {
        let mut door = Door::with_places_for(64);
        let (secret, connection) = (door.key("one"), ConnectionCache::default());
        for _ in 0..3 * MISS_LIMIT {
            // Each time the record has been believed for long enough; it is made anew, and met.
            door.now.monotonic += Duration::from_secs(61);
            for _ in 0..2 {
                door.ask(&connection, secret.expose()).unwrap();
            }
            assert!(last(&connection).is_some());
        }
    }

    #[test]
    fn who_is_revoked_is_not_remembered() {
        let door = Door::with_places_for(64);
        let (secret, connection) = (door.key("one"), ConnectionCache::default());
        door.ask(&connection, secret.expose()).unwrap();
        door.ask(&connection, secret.expose()).unwrap();
        let id = connection.last.lock().unwrap().caller.as_ref().unwrap().key().id.clone();
        assert!(door.keys.revoke(&id, door.now.wall));
        assert!(door.ask(&connection, secret.expose()).is_err());
        assert_eq!(last(&connection), None);
    }

    #[test]
    fn who_was_displaced_from_the_table_is_not_believed_by_a_connection_either() {
        // With places for seven, most of fifty are displaced, and no change that comes then could find them.
        let door = Door::with_places_for(7);
        let callers: Vec<_> = (0..50).map(|number| door.key(&format!("caller-{number}"))).collect();
        let connections: Vec<_> = callers.iter().map(|_| ConnectionCache::default()).collect();
        for (connection, secret) in connections.iter().zip(&callers) {
            for _ in 0..3 {
                door.ask(connection, secret.expose()).unwrap();
            }
            assert!(last(connection).is_some());
        }
        for (number, (connection, secret)) in connections.iter().zip(&callers).enumerate() {
            let who = door.admission.authenticate(secret.expose(), "shop", "shop", door.now).block().unwrap();
            assert!(door.keys.revoke(&who.key().id, door.now.wall));
            let denied = door.ask(connection, secret.expose());
            assert_eq!(denied, Err(Denial::CredentialRevoked { revoked_at: door.now.wall }), "{number}");
        }
    }

    #[test]
    fn a_revocation_is_felt_when_it_returns_whoever_asks_over_the_connection_meanwhile() {
        let door = &Door::with_places_for(64);
        let revoked = Err(Denial::CredentialRevoked { revoked_at: door.now.wall });
        for _ in 0..300 {
            let (secret, connection) = (&door.key("acme"), &ConnectionCache::default());
            let who = door.admission.authenticate(secret.expose(), "shop", "shop", door.now).block().unwrap();
            std::thread::scope(|scope| {
                let until = |is_so: &dyn Fn() -> bool| {
                    let deadline = Instant::now() + Duration::from_secs(30);
                    while !is_so() {
                        assert!(Instant::now() < deadline);
                        std::thread::yield_now();
                    }
                };
                let other = scope.spawn(move || until(&|| door.ask(connection, secret.expose()).is_err()));
                until(&|| last(connection).is_some());
                assert!(door.keys.revoke(&who.key().id, door.now.wall));
                assert_eq!(door.ask(connection, secret.expose()), revoked);
                other.join().unwrap();
            });
        }
    }
}
