//! Whether the key of a request that lasts, such as a tunnel, is still valid.

use std::fmt;
use std::sync::Arc;

use crate::admission::denial_of;
use crate::cache_entry::CacheEntry;
use crate::{Admission, Candidates, Credential, Denial, Now, Principal, StoreError};

/// Watches the key of a request that lasts longer than a decision about it.
///
/// The owner of the request calls [`check`](Self::check) at intervals. Without a change of any key a check reads a counter;
/// after one the key is looked up, in the cache first.
///
/// ```
/// # use demur_admission::*;
/// async fn tick(watch: &mut KeyWatch, clock: Clock) {
///     if let Err(denial) = watch.check(clock.now()).await {
///         // End the request: the key was revoked or disabled, or has expired.
/// #       drop(denial);
///     }
/// }
/// ```
#[derive(Clone)]
pub struct KeyWatch {
    admission: Arc<Admission>,
    /// The digests under which the key is stored.
    digests: Candidates,
    credential: Arc<Credential>,
    /// The number of changes when the key was last looked up.
    seen: Option<u64>,
}

impl KeyWatch {
    /// Watches the key of a principal that this has admitted.
    pub fn new(admission: &Arc<Admission>, principal: &Principal) -> Self {
        let credential = Arc::clone(principal.credential());
        // That of the current pepper too: the stored one is replaced by it.
        let digests = Candidates::from_iter([principal.meta().digest(), credential.digest]);
        Self { admission: Arc::clone(admission), digests, credential, seen: None }
    }

    /// Returns why the key is not valid any more. A store that is not available says nothing about the key: what was known
    /// of it before stays true.
    pub async fn check(&mut self, now: Now) -> Result<(), Denial> {
        // Read first: a change during the lookup is found by the next check.
        let changes = self.admission.key_changes();
        if self.seen != Some(changes) {
            match self.look_up().await {
                Ok(Some(credential)) => (self.credential, self.seen) = (credential, Some(changes)),
                Ok(None) => return Err(Denial::CredentialUnknown),
                Err(_) => {}
            }
        }
        // It was a key of the right API when it was admitted.
        denial_of(&self.credential, &self.credential.key.api, now.wall).map_or(Ok(()), Err)
    }

    async fn look_up(&self) -> Result<Option<Arc<Credential>>, StoreError> {
        match self.admission.cached_credential(&self.digests) {
            Some(credential) => Ok(Some(credential)),
            None => self.admission.stored_credential(&self.digests).wait().await,
        }
    }
}

impl fmt::Debug for KeyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWatch").field("key", &self.credential.key.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::memory::{MemoryDirectory, MemoryLedger};
    use crate::{
        Account, CacheConfig, Clock, Grants, KeyId, KeyRecord, LocalCounters, Pepper, Plan, Plans, Secret,
        Stores,
    };

    struct Fixture {
        keys: Arc<MemoryDirectory>,
        admission: Arc<Admission>,
        pepper: Pepper,
        secret: Secret,
        key: KeyRecord,
        account: Account,
        now: Now,
    }

    impl Fixture {
        fn new() -> Self {
            let keys = Arc::new(MemoryDirectory::new());
            let pepper = Pepper::from_bytes(&[3; 32]);
            let stores = Stores {
                keys: keys.clone(),
                limits: Arc::new(LocalCounters::new()),
                credits: Arc::new(MemoryLedger::new()),
            };
            let plans = Arc::new(Plans::new([Plan::named("all")]));
            let admission = Admission::new(stores, pepper.clone(), plans, CacheConfig::default());
            let now = Clock::start().now();
            let account = Account {
                id: "acme".parse().unwrap(),
                name: "Acme".into(),
                plan: "all".into(),
                grant_day: None,
            };
            let key = KeyRecord {
                id: KeyId::generate(),
                account: account.id.clone(),
                api: "shop".into(),
                prefix: "shop".into(),
                created: now.wall,
                expires: None,
                revoked: None,
                disabled: None,
                metadata: Default::default(),
                grants: Grants::default(),
            };
            let secret = Secret::generate("shop").unwrap();
            let fixture = Self { keys, admission, pepper, secret, key, account, now };
            fixture.store(&fixture.key);
            fixture
        }

        /// Creates or changes the key.
        fn store(&self, key: &KeyRecord) {
            let digest = self.pepper.digest(self.secret.expose());
            self.keys.insert(digest, key.clone(), self.account.clone());
        }

        fn watch(&self) -> KeyWatch {
            let principal =
                self.admission.authenticate(self.secret.expose(), "shop", "shop", self.now).block();
            KeyWatch::new(&self.admission, &principal.unwrap())
        }
    }

    fn check(watch: &mut KeyWatch, now: Now) -> Result<(), Denial> {
        crate::block_on(watch.check(now))
    }

    #[test]
    fn finds_out_that_the_key_is_not_valid_any_more() {
        let fixture = Fixture::new();
        let (now, mut watch) = (fixture.now, fixture.watch());
        assert_eq!(check(&mut watch, now), Ok(()));
        // A change of another key, of which the cache then knows nothing.
        let other = Fixture { secret: Secret::generate("shop").unwrap(), ..Fixture::new() };
        fixture.keys.insert(fixture.pepper.digest(other.secret.expose()), other.key, other.account);
        assert_eq!(check(&mut watch, now), Ok(()));

        fixture.store(&KeyRecord { disabled: Some(now.wall), ..fixture.key.clone() });
        assert_eq!(check(&mut watch, now), Err(Denial::CredentialDisabled { disabled_at: now.wall }));
        fixture.store(&fixture.key);
        assert_eq!(check(&mut watch, now), Ok(()));
        fixture.store(&KeyRecord { revoked: Some(now.wall), ..fixture.key.clone() });
        assert_eq!(check(&mut watch, now), Err(Denial::CredentialRevoked { revoked_at: now.wall }));
    }

    #[test]
    fn a_key_expires_without_a_change() {
        let fixture = Fixture::new();
        let expires = fixture.now.wall + SignedDuration::from_secs(60);
        fixture.store(&KeyRecord { expires: Some(expires), ..fixture.key.clone() });
        let mut watch = fixture.watch();
        let at = |seconds| Now {
            wall: fixture.now.wall + SignedDuration::from_secs(seconds),
            monotonic: fixture.now.monotonic + Duration::from_secs(seconds.unsigned_abs()),
        };
        assert_eq!(check(&mut watch, at(59)), Ok(()));
        assert_eq!(check(&mut watch, at(60)), Err(Denial::CredentialExpired { expired_at: expires }));
    }
}
