//! What a key allows and what an operation asks for, compared by a pure function.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Denial, Principal};

/// What a key allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Which operations, by their names in the API's document.
    pub operations: Scope,
    /// Which scopes the key has. Without any it can do what asks for none.
    pub scopes: BTreeSet<String>,
    /// Which resources, as `kind:name`.
    pub resources: Scope,
}

/// Everything, or what is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, and what will be added later.
    All,
    /// What is listed.
    Only(BTreeSet<String>),
}

impl Scope {
    /// Whether the name is covered.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(names) => names.contains(name),
        }
    }
}

impl Default for Grants {
    /// Every operation and resource, no scope.
    fn default() -> Self {
        Self { operations: Scope::All, scopes: BTreeSet::new(), resources: Scope::All }
    }
}

/// What one request asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    /// The operation's name.
    pub operation: Option<&'a str>,
    /// A scope that the key must have.
    pub scope: Option<&'a str>,
    /// A feature that the plan must have.
    pub feature: Option<&'a str>,
    /// A resource that the key must cover.
    pub resource: Option<&'a str>,
}

/// Whether plan and key allow what is asked for.
///
/// The order is from the broad to the narrow, so that the caller is told of the obstacle that would remain
/// when the others were gone: an inactive plan, then the plan's features, then operation and scope, then
/// the resource.
///
/// ```
/// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
/// # use demur_admission::memory::{MemoryDirectory, MemoryLedger};
/// # use demur_admission::*;
/// # use jiff::tz::TimeZone;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A key for the operations `list` and `export`, of a plan with the feature `export`.
/// let (_, caller, _) = shop()?;
/// let of = |operation, feature| AccessRequest { operation: Some(operation), feature, ..AccessRequest::default() };
/// assert_eq!(authorize(&caller, &of("list", None)), Ok(()));
/// assert_eq!(authorize(&caller, &of("export", Some("export"))), Ok(()));
/// assert!(matches!(authorize(&caller, &of("delete", None)), Err(Denial::PermissionOperation)));
/// assert!(matches!(authorize(&caller, &of("list", Some("reports"))), Err(Denial::PlanRequired { .. })));
/// # Ok(())
/// # }
/// ```
pub fn authorize(principal: &Principal, asked: &AccessRequest<'_>) -> Result<(), Denial> {
    let plan = principal.plan();
    let grants = &principal.key().grants;
    if !plan.active {
        return Err(Denial::PlanInactive);
    }
    if let Some(feature) = asked.feature.filter(|feature| !plan.features.contains(*feature)) {
        return Err(Denial::PlanRequired { feature: feature.to_owned() });
    }
    if asked.operation.is_some_and(|operation| !grants.operations.covers(operation))
        || asked.scope.is_some_and(|scope| !grants.scopes.contains(scope))
    {
        return Err(Denial::PermissionOperation);
    }
    if let Some(resource) = asked.resource.filter(|resource| !grants.resources.covers(resource)) {
        return Err(Denial::PermissionResource { resource: resource.to_owned() });
    }
    Ok(())
}
