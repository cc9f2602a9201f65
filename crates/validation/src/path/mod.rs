//! Request paths in one canonical form (RFC 3986, section 6.2.2), and everything in a path that servers read differently.
//!
//! A path is matched and forwarded in the same canonical form, so that the operation that was checked is the one that the
//! upstream runs. Percent-encoded unreserved characters are decoded, and characters that a path cannot contain are encoded.
//! Reserved characters stay as they were sent: `%2C` is data where `,` separates elements. So do hexadecimal digits: no
//! server distinguishes `%2c` from `%2C`, but the upstream may sign or log the path that the client wrote.
//!
//! What no canonical form can settle is reported: [`PathFault`] for paths that no operation can take, [`PathCharacters`]
//! for those that an operation must allow. Nothing is decided here.

mod canonical;
mod characters;
mod encoding;
mod lenient;

pub(crate) use canonical::normalised;
pub use canonical::{CanonicalPath, PathFault, canonical_path};
pub use characters::PathCharacters;
pub(crate) use lenient::{folded, is_unambiguous, trimmed};
