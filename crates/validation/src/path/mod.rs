//! The canonical form of request paths (RFC 3986, section 6.2.2), and everything in a path that servers interpret
//! differently.
//!
//! Paths are matched and forwarded in the same canonical form, so that the operation that was checked is the one the
//! upstream runs. Percent-encoded unreserved characters are decoded, and characters that a path cannot contain are
//! encoded. Reserved characters stay as received: `%2C` is data where `,` separates elements. The case of hexadecimal
//! digits stays too: no server distinguishes `%2c` from `%2C`, but the upstream may sign or log the path.
//!
//! This module only reports: [`PathFault`] for paths that are always rejected, [`PathCharacters`] for characters that
//! an operation must allow.

mod canonical;
mod characters;
mod encoding;
mod lenient;

pub(crate) use canonical::normalised;
pub use canonical::{CanonicalPath, PathFault, canonical_path};
pub use characters::PathCharacters;
pub(crate) use lenient::{folded, is_unambiguous, trimmed};
