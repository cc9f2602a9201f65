//! [contracts]: crate::builtin
//! [conditions]: self::conditions
//! [schema]: self#editors
//! [speed]: self#what-a-client-reads-back
//! [check]: crate::Diagnostic
#![doc = include_str!("../docs/contract.md")]

/// Every condition, with what is answered where no error claims it.
#[doc = include_str!("../docs/conditions.md")]
pub mod conditions {}
