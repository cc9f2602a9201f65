//! Who called last over a connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use crate::cache::Remembered;
use crate::fetch::{fetch, fetch_shared};
use crate::{Digest, Now, Principal};

/// What a connection remembers of its caller, who is nearly always the one of the request before.
///
/// Whoever serves a connection keeps one for as long as it lasts, and hands it to
/// [`authenticate_over`](crate::Admission::authenticate_over) with each request. It proves nothing: the secret of every
/// request is digested and compared, and what is outdated is not believed. It says where to look. With very many keys
/// all that is known of a caller must come from memory; so it is asked for at once, while the secret is digested, and no
/// table is searched for where it is.
///
/// One for the connections of one [`Admission`](crate::Admission).
#[derive(Default)]
pub struct Acquaintance {
    last: ArcSwapOption<Principal>,
    /// Where the counts of the last caller's account are. For nothing but to have them brought.
    counts: AtomicUsize,
    /// How many have come in a row of whom none was the last one.
    strangers: AtomicU8,
}

/// Where so many strangers come in a row, a proxy speaks for many callers: nobody is remembered any more.
const CROWD: u8 = 8;

impl Acquaintance {
    /// The last caller. What is known of them is asked for.
    pub(crate) fn recall(&self) -> Option<Recalled<'_>> {
        if self.strangers.load(Ordering::Relaxed) >= CROWD {
            return None;
        }
        let last = self.last.load();
        let principal = last.as_ref()?;
        fetch(self.counts.load(Ordering::Relaxed), Principal::BEYOND);
        fetch_shared(principal);
        Some(Recalled { acquaintance: self, last })
    }

    /// Somebody is there who was not recalled.
    pub(crate) fn meet(&self, principal: &Arc<Principal>) {
        let strangers = self.strangers.load(Ordering::Relaxed).saturating_add(1);
        self.strangers.store(strangers, Ordering::Relaxed);
        if strangers >= CROWD {
            self.last.store(None);
        } else {
            self.counts.store(principal.beyond(), Ordering::Relaxed);
            self.last.store(Some(Arc::clone(principal)));
        }
    }
}

/// The last caller over a connection.
pub(crate) struct Recalled<'a> {
    acquaintance: &'a Acquaintance,
    last: Guard<Option<Arc<Principal>>>,
}

impl Recalled<'_> {
    /// The caller with the secret of this digest, if it is the same one and nothing has changed since.
    pub(crate) fn again(&self, digest: &Digest, plans: u64, now: Now) -> Option<Arc<Principal>> {
        let last = self.last.as_ref().filter(|last| last.term().is_believed(digest, plans, now))?;
        let strangers = &self.acquaintance.strangers;
        if strangers.load(Ordering::Relaxed) != 0 {
            strangers.store(0, Ordering::Relaxed);
        }
        Some(Arc::clone(last))
    }
}

impl fmt::Debug for Acquaintance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquaintance").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::memory::{MemoryDirectory, MemoryLedger};
    use crate::{
        Account, Admission, CacheBounds, Clock, Denial, Grants, KeyId, KeyRecord, LocalCounters, Pepper,
        Plan, PlanBook, Secret, Settings, Stores,
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
            let mut settings = Settings::default();
            settings.present = CacheBounds { entries, ..settings.present };
            let plans = Arc::new(PlanBook::new([Plan::named("plan")]));
            let admission = Admission::new(stores, Pepper::from_bytes(&[7; 32]), plans, settings);
            Self { keys, admission, now: Clock::start().now() }
        }

        fn key(&self, name: &str) -> Secret {
            let account = Account { id: name.parse().unwrap(), name: String::new(), plan: "plan".into() };
            let key = KeyRecord {
                id: KeyId::generate(),
                account: account.id.clone(),
                api: "shop".into(),
                hint: "shop".into(),
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

        fn ask(&self, over: &Acquaintance, secret: &str) -> Result<String, Denial> {
            let asked =
                self.admission.authenticate_over(Some(over), secret, "shop", "shop", self.now).block();
            asked.map(|principal| principal.account().id.to_string())
        }
    }

    fn last(acquaintance: &Acquaintance) -> Option<String> {
        acquaintance.last.load().as_ref().map(|last| last.account().id.to_string())
    }

    #[test]
    fn whoever_asks_is_who_has_the_secret_and_not_who_asked_last() {
        let door = Door::with_places_for(64);
        let (one, other, nobody) = (door.key("one"), door.key("other"), Secret::generate("shop").unwrap());
        let connection = Acquaintance::default();
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
        let connection = Acquaintance::default();
        // Known to the table already, as all are but at their first request.
        for secret in [&one, &other] {
            door.ask(&Acquaintance::default(), secret.expose()).unwrap();
        }
        // Taking turns by twos is no crowd, however long it goes on.
        for _ in 0..20 {
            for (secret, name) in [(&one, "one"), (&one, "one"), (&other, "other"), (&other, "other")] {
                door.ask(&connection, secret.expose()).unwrap();
                assert_eq!(last(&connection).as_deref(), Some(name));
            }
        }
        for _ in 0..4 {
            door.ask(&connection, one.expose()).unwrap();
            door.ask(&connection, other.expose()).unwrap();
        }
        assert_eq!(last(&connection), None);
        assert!(connection.recall().is_none());
        assert_eq!(door.ask(&connection, one.expose()).as_deref(), Ok("one"));
        assert_eq!(last(&connection), None);
    }

    #[test]
    fn who_was_displaced_from_the_table_is_not_believed_by_a_connection_either() {
        // With places for seven, most of fifty are displaced, and no change that comes then could find them.
        let door = Door::with_places_for(7);
        let callers: Vec<_> = (0..50).map(|number| door.key(&format!("caller-{number}"))).collect();
        let connections: Vec<_> = callers.iter().map(|_| Acquaintance::default()).collect();
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
        let door = Door::with_places_for(64);
        let revoked = Err(Denial::CredentialRevoked { revoked_at: door.now.wall });
        for _ in 0..300 {
            let (secret, connection) = (door.key("acme"), Acquaintance::default());
            let who = door.admission.authenticate(secret.expose(), "shop", "shop", door.now).block().unwrap();
            std::thread::scope(|scope| {
                let is_denied = |_| door.ask(&connection, secret.expose()).is_err();
                let other = scope.spawn(move || (0..100_000).any(is_denied));
                let is_known = |_| {
                    std::thread::yield_now();
                    last(&connection).is_some()
                };
                assert!((0..1_000_000).any(is_known));
                assert!(door.keys.revoke(&who.key().id, door.now.wall));
                assert_eq!(door.ask(&connection, secret.expose()), revoked);
                assert!(other.join().unwrap());
            });
        }
    }
}
