//! Why a request is not admitted: typed data, with no HTTP in it. The engine turns it into a condition.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Exceeded, StoreError};

/// What admission says when it does not admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// There is no credential. Raised by whoever reads the request.
    CredentialMissing,
    /// There is one, but not of the expected scheme. Raised by whoever reads the request.
    CredentialScheme,
    /// It has not the form of a key.
    CredentialMalformed,
    /// No such key, for this API.
    CredentialUnknown,
    /// The key has been revoked. Said only to who has the whole secret.
    CredentialRevoked {
        /// When.
        revoked_at: Timestamp,
    },
    /// The key has expired. Said only to who has the whole secret.
    CredentialExpired {
        /// When.
        expired_at: Timestamp,
    },
    /// The key has been disabled for the time being. Said only to who has the whole secret.
    CredentialDisabled {
        /// When.
        disabled_at: Timestamp,
    },
    /// Too many failed attempts from this peer address.
    CredentialThrottled {
        /// How many may fail in `per`.
        attempts: u64,
        /// Their window.
        per: Duration,
        /// When another attempt is looked at.
        retry_after: Duration,
    },
    /// The key does not cover the resource.
    PermissionResource {
        /// As it was asked for.
        resource: String,
    },
    /// The key does not cover the operation, or lacks its scope.
    PermissionOperation,
    /// The plan lacks a feature.
    PlanRequired {
        /// Which.
        feature: String,
    },
    /// The account has no active plan.
    PlanInactive,
    /// More requests in a time than a rate allows.
    RateExceeded {
        /// The rate's name.
        name: Arc<str>,
        /// How many requests it allows in `per`.
        requests: u64,
        /// Its window.
        per: Duration,
        /// How many it would still let pass.
        remaining: u64,
        /// After how long this request would pass; `None` where no waiting helps.
        retry_after: Option<Duration>,
    },
    /// More requests at once than the plan allows.
    RateConcurrency {
        /// How many it allows.
        slots: u32,
        /// A guess: a slot is free when another request ends.
        retry_after: Duration,
    },
    /// More requests in a day than the plan allows.
    QuotaExceeded {
        /// How many it allows.
        requests: u64,
        /// The day's length: days of 23 and of 25 hours exist.
        per: Duration,
        /// How many are left: not enough for what this request counts.
        remaining: u64,
        /// How long the day still lasts.
        resets_in: Duration,
        /// When it ends.
        resets_at: Timestamp,
    },
    /// Not enough credits.
    CreditsExhausted {
        /// What the request costs at most.
        needed: u64,
        /// What there is.
        available: u64,
        /// When the next monthly credits come, where there are any.
        resets_at: Option<Timestamp>,
    },
    /// Enough credits but for what other requests hold.
    CreditsHeld {
        /// What the request costs at most.
        needed: u64,
        /// What there is.
        available: u64,
        /// When the oldest of the other holds is expected to have ended.
        retry_after: Duration,
    },
    /// The operation's id was used for another request.
    IdempotencyMismatch,
    /// The first request with the operation's id is still under way.
    IdempotencyInFlight,
    /// The operation has completed, and there is no response to replay.
    IdempotencyCompleted,
    /// A store could not answer. It says nothing about the caller.
    StoreUnavailable {
        /// Which.
        part: StoreKind,
        /// For the operator, never for the client.
        cause: StoreError,
    },
}

impl Denial {
    /// Whether somebody tried a key that does not open. A missing one is no attempt, and trouble of a store
    /// says nothing about the key.
    pub fn is_failed_attempt(&self) -> bool {
        matches!(
            self,
            Denial::CredentialMalformed
                | Denial::CredentialUnknown
                | Denial::CredentialRevoked { .. }
                | Denial::CredentialExpired { .. }
                | Denial::CredentialDisabled { .. }
        )
    }
}

/// The three stores, by what they promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// The key directory.
    Keys,
    /// Rates, concurrency, quota.
    Limits,
    /// The ledger.
    Credits,
}

impl StoreKind {
    /// The denial for trouble with this part.
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
