//! Authentication by a JSON Web Token.
//!
//! A token that was verified before is in admission's cache. Another one is verified against the API's key set. If that has
//! no such key, or is not there yet, the request waits for the attempt to fetch it, once.

use std::sync::Arc;

use demur_admission::{
    AccountId, Admission, ConnectionCache, Denial, Fingerprint, KeyId, MaybeFuture, Now, Principal,
    StoreError, StoreKind, TokenFault, TokenIdentity, TokenLookup,
};
use demur_jwt::{Claims, Fault, FetchAttempt, InvalidToken};
use jiff::Timestamp;

use crate::settings::TokenSettings;

type Authenticated = MaybeFuture<Result<Arc<Principal>, Denial>>;

/// Authenticates the owner of a token. `may_verify` is called before a token that is not cached is verified, and its denial
/// is returned.
pub(crate) fn authenticate(
    admission: &Arc<Admission>,
    (api, tokens): (&str, &Arc<TokenSettings>),
    token: &str,
    connection: Option<&ConnectionCache>,
    may_verify: impl FnOnce() -> Result<(), Denial>,
    now: Now,
) -> Authenticated {
    let attempt = match attempt(admission, (api, tokens), token, connection, may_verify, now) {
        Attempt::Decided(result) => return result,
        Attempt::MissingKey(attempt, _) => attempt,
    };
    let (admission, tokens) = (Arc::clone(admission), Arc::clone(tokens));
    let (api, token) = (api.to_owned(), token.to_owned());
    MaybeFuture::Pending(Box::pin(async move {
        attempt.await;
        match self::attempt(&admission, (&api, &tokens), &token, None, || Ok(()), now) {
            Attempt::Decided(result) => result.wait().await,
            Attempt::MissingKey(_, denial) => Err(denial),
        }
    }))
}

enum Attempt {
    Decided(Authenticated),
    /// A key is missing and may be fetched; the denial if it is not.
    MissingKey(FetchAttempt, Denial),
}

fn attempt(
    admission: &Arc<Admission>,
    (api, tokens): (&str, &TokenSettings),
    token: &str,
    connection: Option<&ConnectionCache>,
    may_verify: impl FnOnce() -> Result<(), Denial>,
    now: Now,
) -> Attempt {
    let denied = |denial| Attempt::Decided(MaybeFuture::Ready(Err(denial)));
    let unavailable = || {
        let denial = Denial::StoreUnavailable { part: StoreKind::TokenKeys, cause: StoreError::NoKeySet };
        match tokens.keys.in_progress() {
            Some(attempt) => Attempt::MissingKey(attempt, denial),
            None => denied(denial),
        }
    };
    let Some(revision) = tokens.key_revision(now.monotonic) else { return unavailable() };
    let slot = match admission.find_token(connection, token, revision, api, now) {
        TokenLookup::Found(result) => return Attempt::Decided(MaybeFuture::Ready(result)),
        TokenLookup::Missing(slot) => slot,
    };
    if let Err(denial) = may_verify() {
        return denied(denial);
    }
    let Some(loaded) = tokens.current_keys(now.monotonic) else { return unavailable() };
    let since_1970 = now.wall.duration_since(Timestamp::UNIX_EPOCH).unsigned_abs();
    let verified = tokens.policy.verify(token, &loaded.keys, since_1970);
    match verified.and_then(|claims| identity(&claims, api, tokens)) {
        Ok(identity) => Attempt::Decided(admission.admit_token(slot, identity, now)),
        Err(invalid) => {
            let is_unknown_key = invalid.fault == Fault::UnknownKey;
            let denial = denial(invalid);
            match is_unknown_key.then(|| tokens.keys.request(now.monotonic)).flatten() {
                Some(attempt) => Attempt::MissingKey(attempt, denial),
                None => denied(denial),
            }
        }
    }
}

/// Whom the claims are about.
fn identity(claims: &Claims, api: &str, tokens: &TokenSettings) -> Result<TokenIdentity, InvalidToken> {
    let names = &tokens.claims;
    let invalid = |cause: String| InvalidToken { fault: Fault::Claim, cause };
    let Some(account) = claims.text(&names.account) else {
        return Err(invalid(format!("`{}` is missing or not a string", names.account)));
    };
    let account: AccountId =
        account.parse().map_err(|error| invalid(format!("`{}` is no account ID: {error}", names.account)))?;
    let plan = match names.plan.as_deref().map(|name| (name, claims.get(name))) {
        Some((name, Some(value))) => {
            Some(value.as_str().ok_or_else(|| invalid(format!("`{name}` is not a string")))?)
        }
        Some((_, None)) | None => tokens.plan.as_deref(),
    };
    let scopes = claims.words(&names.scopes);
    let scopes = scopes.ok_or_else(|| invalid(format!("`{}` is no list of scopes", names.scopes)))?;
    let subject = claims.text("sub").unwrap_or(account.as_str());
    let expires = claims.expires().saturating_add(tokens.policy.leeway);
    Ok(TokenIdentity {
        api: api.to_owned(),
        subject: subject_id(&tokens.policy.issuer, subject)?,
        plan: plan.unwrap_or_default().to_owned(),
        scopes: scopes.into_iter().map(str::to_owned).collect(),
        expires: Timestamp::UNIX_EPOCH.saturating_add(expires).unwrap_or(Timestamp::MAX),
        account,
    })
}

/// An ID for a subject of an issuer, in place of that of a key. A hash, since a subject may be any text.
fn subject_id(issuer: &str, subject: &str) -> Result<KeyId, InvalidToken> {
    const BYTES: usize = 16;
    let hash = Fingerprint::of(&[b"token subject", issuer.as_bytes(), subject.as_bytes()]);
    let id = hash.0.iter().take(BYTES).fold(String::from("jwt_"), |id, byte| id + &format!("{byte:02x}"));
    id.parse().map_err(|_| InvalidToken { fault: Fault::Claim, cause: "the subject has no ID".to_owned() })
}

fn denial(invalid: InvalidToken) -> Denial {
    let fault = match invalid.fault {
        Fault::Malformed => TokenFault::Malformed,
        Fault::Algorithm => TokenFault::Algorithm,
        Fault::UnknownKey => TokenFault::UnknownKey,
        Fault::Signature => TokenFault::Signature,
        Fault::Issuer => TokenFault::Issuer,
        Fault::Audience => TokenFault::Audience,
        Fault::Expired => TokenFault::Expired,
        Fault::NotYetValid => TokenFault::NotYetValid,
        Fault::Claim => TokenFault::Claim,
    };
    Denial::Token { fault, cause: invalid.cause }
}
