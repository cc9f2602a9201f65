//! The token half of [`Admission`]: verified tokens become principals, and are cached like keys.
//!
//! Verification itself belongs to the caller, which reads the request and has the key set. The cache contains a digest of the
//! token and not its text. An entry is used as long as that of a key, and never after the token has expired.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::Admission;
use crate::cache::{CacheSlot, KeyLookup};
use crate::connection_cache::CachedPrincipal;
use crate::{
    Account, AccountId, AccountLookup, ConnectionCache, Credential, Denial, Digest, Grants, KeyId, KeyRecord,
    MaybeFuture, Now, Principal, StoreError, StoreKind, TokenFault,
};

/// Who a verified token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIdentity {
    /// The name of the API.
    pub api: String,
    /// The ID of its subject, in place of that of a key. All tokens of a subject should have the same, since rates per key
    /// are counted by it.
    pub subject: KeyId,
    /// The ID of the account.
    pub account: AccountId,
    /// The plan of an account that the directory does not have.
    pub plan: String,
    /// The scopes.
    pub scopes: BTreeSet<String>,
    /// When the token is no longer accepted.
    pub expires: Timestamp,
}

/// The result of looking for a token in the cache.
#[derive(Debug)]
pub enum TokenLookup {
    /// The token was verified before.
    Found(Result<Arc<Principal>, Denial>),
    /// The token must be verified.
    Missing(TokenSlot),
}

/// Where a token is cached once it has been verified.
#[derive(Debug, Clone, Copy)]
pub struct TokenSlot {
    slot: CacheSlot,
    digest: Digest,
    plans: u64,
}

impl Admission {
    /// Looks for a token that was verified with the key set of this revision. A change of the keys changes the revision, so
    /// that every token is verified again.
    pub fn find_token(
        &self,
        connection: Option<&ConnectionCache>,
        token: &str,
        revision: u64,
        api: &str,
        now: Now,
    ) -> TokenLookup {
        let mut cached = connection.and_then(ConnectionCache::lookup);
        let has_principal = cached.as_ref().is_some_and(CachedPrincipal::has_principal);
        let slot = (!has_principal).then(|| self.cache.slot_of_secret(token));
        let plans = self.plans.revision();
        let digest = self.pepper.token_digest(revision, token);
        if let Some(principal) = cached.as_mut().and_then(|cached| cached.hit(&digest, plans, now)) {
            return TokenLookup::Found(admit(principal, api, now));
        }
        let slot = slot.unwrap_or_else(|| self.cache.slot_of_secret(token));
        let Some(KeyLookup::Principal(principal)) = self.cache.find(slot, &digest, plans, now) else {
            return TokenLookup::Missing(TokenSlot { slot, digest, plans });
        };
        if let Some(cached) = &mut cached {
            cached.remember(&principal);
        }
        TokenLookup::Found(admit(principal, api, now))
    }

    /// Admits the owner of a token that was verified just now. An account of the directory keeps its own plan; another account
    /// exists in memory only, and has no credits.
    pub fn admit_token(
        self: &Arc<Self>,
        slot: TokenSlot,
        token: TokenIdentity,
        now: Now,
    ) -> MaybeFuture<Result<Arc<Principal>, Denial>> {
        let epoch = self.cache.epoch(slot.plans);
        let admission = Arc::clone(self);
        self.stores.keys.account(&token.account).map(move |found: Result<AccountLookup, StoreError>| {
            let (account, is_stored) = match found.map_err(|cause| StoreKind::Keys.unavailable(cause))? {
                AccountLookup::Found(account) => (account, true),
                AccountLookup::Unknown => {
                    let (id, name) = (token.account.clone(), token.account.to_string());
                    (Account { id, name, plan: token.plan, grant_day: None }, false)
                }
                AccountLookup::Deleted => {
                    let cause = format!("the account `{}` was deleted", token.account);
                    return Err(Denial::Token { fault: TokenFault::Revoked, cause });
                }
            };
            let key = KeyRecord {
                id: token.subject,
                account: token.account,
                api: token.api,
                prefix: String::new(),
                created: now.wall,
                expires: Some(token.expires),
                revoked: None,
                disabled: None,
                grants: Grants { scopes: token.scopes, ..Grants::default() },
                metadata: Default::default(),
            };
            let credential = Credential { digest: slot.digest, replaced: None, key, account };
            let meta = admission.cache.present_meta(slot.digest, epoch, now);
            let principal = admission.principal(meta, Arc::new(credential), now);
            let principal = Arc::new(if is_stored { principal } else { principal.without_stored_account() });
            admission.cache.keep_present(slot.slot, &principal, epoch, now);
            let api = principal.key().api.clone();
            admit(principal, &api, now)
        })
    }
}

/// Admits a principal until its token expires.
fn admit(principal: Arc<Principal>, api: &str, now: Now) -> Result<Arc<Principal>, Denial> {
    if principal.is_valid_for(api, now.wall) {
        return Ok(principal);
    }
    let cause = "the token has expired since it was verified".to_owned();
    Err(Denial::Token { fault: TokenFault::Expired, cause })
}
