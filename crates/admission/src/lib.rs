//! Admission of requests: keys, plans, grants, rates, quotas and credits, on top of store traits.
//!
//! [`Admission`] decides in steps: [`authenticate`](Admission::authenticate) a secret, [`authorize()`] the request by the
//! key's grants and the plan, [`take`](Admission::take) from rates and quota, and [`hold`](Admission::hold) credits. A
//! rejected request gets a [`Denial`]: typed data without HTTP.
//!
//! The crate knows no socket, no runtime and no database. Stores implement three traits, [`KeyDirectory`], [`Counters`] and
//! [`Ledger`]; stores in memory are in [`memory`], and `demur-sqlite` has a durable one. The time is an argument ([`Now`])
//! everywhere.
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use demur_admission::memory::{MemoryDirectory, MemoryLedger};
//! use demur_admission::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let one = NonZeroU32::MIN;
//! let rate = Rate::new("burst", one, Duration::from_secs(1));
//! let plans = Arc::new(Plans::new([Plan { rates: vec![rate], ..Plan::named("free") }]));
//!
//! let keys = Arc::new(MemoryDirectory::new());
//! let stores = Stores {
//!     keys: keys.clone(),
//!     limits: Arc::new(LocalCounters::new()),
//!     credits: Arc::new(MemoryLedger::new()),
//! };
//! let pepper = Pepper::from_bytes(&[0; 32]); // In production: 32 random bytes, kept apart from the keys.
//! let admission = Admission::new(stores, pepper.clone(), plans, CacheConfig::default());
//!
//! let now = Clock::start().now();
//! let account = Account { id: AccountId::generate(), name: "Acme".into(), plan: "free".into(), grant_day: None };
//! let secret = Secret::generate("shop")?;
//! let key = KeyRecord {
//!     id: KeyId::generate(),
//!     account: account.id.clone(),
//!     api: "shop".into(),
//!     prefix: "shop".into(),
//!     created: now.wall,
//!     expires: None,
//!     revoked: None,
//!     disabled: None,
//!     metadata: Default::default(),
//!     grants: Grants::default(),
//! };
//! keys.insert(pepper.digest(secret.expose()), key, account);
//!
//! // A service awaits these results with `wait`.
//! let principal = admission.authenticate(secret.expose(), "shop", "shop", now).block().unwrap();
//! assert!(authorize(&principal, &AccessRequest { operation: Some("list"), ..AccessRequest::default() }).is_ok());
//! let first = admission.take(&principal, &Demand::ONE, now).block();
//! assert!(first.is_ok());
//! let second = admission.take(&principal, &Demand::ONE, now).block();
//! assert!(matches!(second, Err(Denial::RateExceeded { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! [`Admission::take`] has an example of limits, [`Admission::hold`] of credits, [`authorize()`] of grants.

mod address_filter;
mod admission;
mod atomic;
mod authorize;
mod cache;
mod cache_entry;
mod calendar;
mod command;
#[doc(hidden)]
pub mod conformance;
mod connection_cache;
mod denial;
mod gcra;
mod grants;
mod hold;
mod identity;
mod imported;
mod key_watch;
mod ledger;
mod limits;
mod lockout;
#[cfg(all(test, loom))]
mod loom_tests;
mod maybe_future;
pub mod memory;
mod new_key;
mod now;
mod permit;
mod plan;
mod prefetch;
mod principal;
mod record;
mod reply;
mod secret;
mod store_state;
mod throttle;

pub use address_filter::{AddressFilter, InvalidNetwork, parse_network};
pub use admission::{Admission, CacheConfig, Claimed, Stores, TokenIdentity, TokenLookup, TokenSlot};
pub use authorize::{AccessRequest, authorize};
pub use cache::CacheBounds;
pub use calendar::{GrantDay, InvalidGrantDay, Month, Period};
pub use command::{Command, CommandFault, ImportedKey, Page};
pub use connection_cache::ConnectionCache;
pub use denial::{Denial, StoreKind, TokenFault};
pub use gcra::{Gcra, Spacing};
pub use grants::{Grants, Scope};
pub use hold::Hold;
pub use identity::{AccountId, InvalidId, KeyId, OperationId};
pub use imported::{ImportedForm, ImportedForms, ImportedHash, ImportedHashKey};
pub use key_watch::KeyWatch;
pub use ledger::{
    Balance, Charge, Claim, ClaimBounds, CreditBalance, Expiry, Fingerprint, GrantEntry, HoldId, HoldOutcome,
    HoldRequest, HoldSource, Insufficient, Ledger, MAX_RESPONSE, MonthlyGrant, Owner, REMEMBERED,
    RepeatPolicy, Rollover, Settlement, SettlementEntry, StoredResponse, TooLarge, wait_for,
};
pub use limits::{
    AcquireResult, Counters, Demand, Exceeded, LimitKind, LimitState, LocalCounters, Meter, QuotaUse,
    Receipt, Report,
};
pub use lockout::{Configured, ConfiguredApi, FirstOf, Lockout, LockoutReason};
pub use maybe_future::{MaybeFuture, StoreError, block_on};
pub use new_key::{MAX_GRACE, NewKey, check_label};
pub use now::{Clock, Now};
pub use permit::LimitPermit;
pub use plan::{Concurrency, LimitBy, MonthlyCredits, Plan, Plans, Quota, QuotaUnit, Rate};
pub use principal::Principal;
pub use record::{
    Account, AccountLookup, Credential, DirectoryChange, InvalidationListener, KeyDirectory, KeyRecord,
    KeyState,
};
pub use reply::{
    AccountStatement, Check, IssuedKey, KeySummary, LimitUse, LimitUseKind, Reply, RotatedKey,
    StatementEntry, StatementKind,
};
pub use secret::{Candidates, Digest, Malformed, NoRandomness, Pepper, Secret, is_prefix};
pub use store_state::StoreState;
pub use throttle::{Attempt, FailureThrottle};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
