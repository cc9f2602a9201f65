//! The upstream's side of a connection that is being upgraded, on its way from the exchange to the client's connection.
//!
//! The body of a 101 response stands for the connection: it ends when the connection does, and holds until then what the
//! request holds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use demur_engine::UpstreamFault;
use demur_http1::io::ClientStream;

/// The upstream's side of a connection that is being upgraded.
pub(crate) struct UpgradedUpstream {
    pub(crate) stream: ClientStream,
    /// Ends the body of the response.
    pub(crate) end: TunnelEnd,
}

/// How an upgraded connection has ended, for the body that stands for it. Empty as long as it has not.
#[derive(Clone, Default)]
pub(crate) struct TunnelEnd(Rc<RefCell<Option<Result<(), UpstreamFault>>>>);

/// Where the upstream's side waits until the engine has accepted its 101.
#[derive(Default)]
pub(crate) struct UpgradeSlot(Cell<Option<Box<UpgradedUpstream>>>);

impl TunnelEnd {
    /// The connection has ended. The body's next poll returns this.
    pub(crate) fn set(&self, end: Result<(), UpstreamFault>) {
        *self.0.borrow_mut() = Some(end);
    }

    pub(super) fn take(&self) -> Option<Result<(), UpstreamFault>> {
        self.0.borrow_mut().take()
    }
}

impl UpgradeSlot {
    pub(crate) fn set(&self, upstream: Option<UpgradedUpstream>) {
        self.0.set(upstream.map(Box::new));
    }

    /// The upstream's side, if it has switched since the last call.
    pub(crate) fn take(&self) -> Option<Box<UpgradedUpstream>> {
        self.0.take()
    }
}
