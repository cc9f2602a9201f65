//! Authorization: whether a key's grants and the account's plan allow a request. A pure function.

use std::net::IpAddr;

use crate::{Denial, Principal};

/// What a request needs access to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    /// The operation, by its ID.
    pub operation: Option<&'a str>,
    /// A scope that the key must have.
    pub scope: Option<&'a str>,
    /// A feature that the plan must have.
    pub feature: Option<&'a str>,
    /// A resource that the key must cover.
    pub resource: Option<&'a str>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// Checks whether the plan and the key allow a request.
///
/// The checks go from broad to narrow, and the first failure is returned: the address, so that a stolen key reveals nothing
/// more, then an inactive plan, the plan's features, operation and scope, and the resource.
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
pub fn authorize(principal: &Principal, request: &AccessRequest<'_>) -> Result<(), Denial> {
    let plan = principal.plan();
    let grants = &principal.key().grants;
    if !grants.addresses.admits(request.address) {
        return Err(Denial::PermissionAddress { address: request.address });
    }
    if !plan.active {
        return Err(Denial::PlanInactive);
    }
    if let Some(feature) = request.feature.filter(|feature| !plan.features.contains(*feature)) {
        return Err(Denial::PlanRequired { feature: feature.to_owned() });
    }
    if request.operation.is_some_and(|operation| !grants.operations.covers(operation))
        || request.scope.is_some_and(|scope| !grants.scopes.contains(scope))
    {
        return Err(Denial::PermissionOperation);
    }
    if let Some(resource) = request.resource.filter(|resource| !grants.resources.covers(resource)) {
        return Err(Denial::PermissionResource { resource: resource.to_owned() });
    }
    Ok(())
}
