//! Why a request is not admitted: typed data without HTTP. The engine turns it into a condition.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Exceeded, StoreError};

/// The reason why admission rejects a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The request has no credential. Raised by the caller, which reads the request.
    CredentialMissing,
    /// The credential has an unexpected scheme. Raised by the caller, which reads the request.
    CredentialScheme,
    /// The credential does not have the form of a key.
    CredentialMalformed,
    /// The key does not exist for this API.
    CredentialUnknown,
    /// The key has been revoked. Disclosed only after the whole secret has matched.
    CredentialRevoked {
        /// When it was revoked.
        revoked_at: Timestamp,
    },
    /// The key has expired. Disclosed only after the whole secret has matched.
    CredentialExpired {
        /// When it expired.
        expired_at: Timestamp,
    },
    /// The key has been disabled temporarily. Disclosed only after the whole secret has matched.
    CredentialDisabled {
        /// When it was disabled.
        disabled_at: Timestamp,
    },
    /// A token is not accepted. Raised by the caller, which verifies tokens, except for expired and revoked ones.
    Token {
        /// What is wrong with it.
        fault: TokenFault,
        /// The details, for the operator and never for the client.
        cause: String,
    },
    /// Too many failed attempts from this peer address.
    CredentialThrottled {
        /// How many attempts may fail in `per`.
        attempts: u64,
        /// The window of the attempts.
        per: Duration,
        /// After how long another attempt is accepted.
        retry_after: Duration,
    },
    /// The client's address is not allowed.
    PermissionAddress {
        /// The address, if it is known.
        address: Option<IpAddr>,
    },
    /// The key does not cover the resource.
    PermissionResource {
        /// The requested resource.
        resource: String,
    },
    /// The key does not cover the operation, or lacks its scope.
    PermissionOperation,
    /// The plan lacks a feature.
    PlanRequired {
        /// The feature.
        feature: String,
    },
    /// The account has no active plan.
    PlanInactive,
    /// A rate limit is exceeded.
    RateExceeded {
        /// The rate's name.
        name: Arc<str>,
        /// The number of requests in `per`.
        requests: u64,
        /// The window.
        per: Duration,
        /// How many requests it would still admit.
        remaining: u64,
        /// After how long this request would be admitted; `None` if it never would.
        retry_after: Option<Duration>,
    },
    /// The concurrency limit is reached.
    RateConcurrency {
        /// The maximum number of concurrent requests.
        slots: u32,
        /// An estimate: a slot is free when another request ends.
        retry_after: Duration,
    },
    /// The daily quota is exhausted.
    QuotaExceeded {
        /// The number of requests per day.
        requests: u64,
        /// The length of the day: there are days of 23 and 25 hours.
        per: Duration,
        /// How many requests are left: fewer than this request counts for.
        remaining: u64,
        /// The remaining time of the day.
        resets_in: Duration,
        /// When the day ends.
        resets_at: Timestamp,
    },
    /// The account has too few credits.
    CreditsExhausted {
        /// The maximum cost of the request.
        needed: u64,
        /// The available credits.
        available: u64,
        /// When the next monthly credits are granted, if any.
        resets_at: Option<Timestamp>,
    },
    /// The account has enough credits, but other requests hold them.
    CreditsHeld {
        /// The maximum cost of the request.
        needed: u64,
        /// The available credits.
        available: u64,
        /// After how long the oldest of the other holds is expected to be settled.
        retry_after: Duration,
    },
    /// The operation's ID was used for another request.
    IdempotencyMismatch,
    /// The first request with the operation's ID is still in flight.
    IdempotencyInFlight,
    /// The operation has completed, and there is no response to replay.
    IdempotencyCompleted,
    /// A store failed. This says nothing about the caller.
    StoreUnavailable {
        /// The store.
        part: StoreKind,
        /// The error, for the operator and never for the client.
        cause: StoreError,
    },
}

impl Denial {
    /// Whether a presented key was rejected. A missing key is no attempt, and a failing store says nothing about the key.
    pub fn is_failed_attempt(&self) -> bool {
        matches!(
            self,
            Denial::CredentialMalformed
                | Denial::CredentialUnknown
                | Denial::CredentialRevoked { .. }
                | Denial::CredentialExpired { .. }
                | Denial::CredentialDisabled { .. }
                | Denial::Token { .. }
        )
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// It does not have the form of a signed token.
    Malformed,
    /// Its algorithm is not accepted.
    Algorithm,
    /// It is signed with an unknown key.
    UnknownKey,
    /// Its signature is invalid.
    Signature,
    /// It is from another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// A claim is missing or not accepted.
    Claim,
    /// Its account was deleted.
    Revoked,
}

/// The stores, by their purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// The key directory.
    Keys,
    /// The key sets that verify tokens.
    TokenKeys,
    /// Rates, concurrency, quota.
    Limits,
    /// The ledger.
    Credits,
}

impl StoreKind {
    /// Returns the denial for an error of this store.
    pub(crate) fn unavailable(self, cause: StoreError) -> Denial {
        Denial::StoreUnavailable { part: self, cause }
    }
}

impl From<Exceeded> for Denial {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Rate { name, requests, per, remaining, retry_after } => {
                Denial::RateExceeded { name, requests, per, remaining, retry_after }
            }
            Exceeded::Concurrency { slots, retry_after } => Denial::RateConcurrency { slots, retry_after },
            Exceeded::Quota { requests, per, remaining, resets_in, resets_at } => {
                Denial::QuotaExceeded { requests, per, remaining, resets_in, resets_at }
            }
        }
    }
}
