//! The built-in contracts: the files in the folder `contracts/`, by name.

use std::sync::Arc;

use demur_source::Source;

const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The names of all built-in contracts, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The source of a built-in contract, for [`Contract::load`](crate::Contract::load); `None` if there is none with this name.
pub fn source(name: &str) -> Option<Arc<Source>> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(Source::new(format!("built-in:{name}"), *text))
}
