//! [conditions]: self::conditions
//! [schema]: self#editors
//! [speed]: self#round-trip-report
//! [check]: crate::Diagnostic
#![doc = include_str!("../docs/reference/contract.md")]

/// All conditions, with the errors that are derived if no error claims them.
#[doc = include_str!("../docs/reference/conditions.md")]
pub mod conditions {}
