//! JSON Web Tokens: verified by a [`Policy`] against a [`KeySet`], as RFC 8725 advises.
//!
//! The keys come from a JWK set that the caller provides: headers of a token that name or contain a key (`jku`, `jwk`, `x5u`,
//! `x5c`) have no effect. A [`KeySetCell`] holds the current set, and tells whoever fetches sets when a new one is needed.
//!
//! The crate has no network code and no clock: the time is an argument.

mod algorithm;
mod cell;
mod claims;
mod key;
mod key_set;
mod policy;
mod strict_json;

pub use algorithm::{Algorithm, KeyKind};
pub use cell::{FetchAttempt, FetcherGuard, KeySetCell, LoadedKeys};
pub use claims::Claims;
pub use key::{KeyFault, KeyOrigin};
pub use key_set::{KeySet, KeySetError, MAX_KEY_SET_BYTES, SkippedKey};
pub use policy::{Fault, InvalidToken, MAX_TOKEN_BYTES, Policy};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
