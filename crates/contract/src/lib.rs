//! The error contract.

mod condition;
mod problem;

pub use condition::{Condition, Origin, RefusedStatus, RetryClass, Usual, claimable};
pub use problem::{Location, Problem, RetryAfter, Value, Violation};

/// The number of an error in its contract's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(pub(crate) u16);
