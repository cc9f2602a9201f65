//! [conditions]: self::conditions
//! [schema]: self#editors
//! [speed]: self#what-a-client-reads-back
//! [check]: crate::Diagnostic
#![doc = include_str!("../../../docs/reference/contract.md")]

/// Every condition, with what is answered where no error claims it.
#[doc = include_str!("../../../docs/reference/conditions.md")]
pub mod conditions {}
