//! From version 1 of the file to version 2.
//!
//! One table (`names`) has the old names of keys and values. `upgrade` turns the tree of a version 1 file into the
//! tree of version 2, which is all that the readers know; `rewrite` makes the same changes in the text and leaves
//! everything else as it is: comments, order, quotes and layout. [`fix_file`] does so to a file, and
//! [`fix_contract_file`] to a contract with old names.

mod file;
mod names;
mod rewrite;
mod upgrade;

pub use file::{FileError, fix_contract_file, fix_file};
pub(crate) use names::CONFIGURATION;
pub use rewrite::{Fix, FixError, fix};
pub(crate) use upgrade::{Upgrade, upgrade};
