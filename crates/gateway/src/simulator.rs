//! What a mock does with requests: rejections and faults on demand. The gateway itself has no simulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use demur_engine::{Api, Engine, SimulatedRejection};
use http::request::Parts;

/// Decides what happens to a request, before the gateway checks it.
pub trait Simulator: Send + Sync {
    /// The decision on a request that was parsed and came on this listener.
    fn simulate<'s>(&'s self, engine: &'s Engine, request: &Parts, listener: Option<&str>) -> Simulation<'s>;
}

/// What happens to one request. By default, what would happen without a simulator.
#[derive(Debug, Clone, Default)]
pub struct Simulation<'s> {
    /// It is rejected, whatever the checks would say.
    pub rejection: Option<SimulatedRejection<'s>>,
    /// The response is sent after this delay.
    pub delay: Duration,
    /// The connection is closed after this number of bytes of the response's body.
    pub truncate_at: Option<u64>,
    /// The connection is reset in place of the response.
    pub resets: bool,
}

/// Makes a simulator for these APIs.
pub type SimulatorBuilder = Box<dyn FnOnce(&[Arc<Api>]) -> Arc<dyn Simulator> + Send>;

/// Makes the simulator of a gateway, if it has one.
#[derive(Default)]
pub struct SimulationSettings(pub Option<SimulatorBuilder>);

impl fmt::Debug for SimulationSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimulationSettings").field(&self.0.is_some()).finish()
    }
}
