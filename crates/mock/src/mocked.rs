//! Prepares a configuration for the mock.

use std::net::SocketAddr;
use std::sync::Arc;

use demur_admission::Plan;
use demur_engine::Api;
use demur_engine::settings::{ApiSettings, RequestValidation, ResponseMode};
use demur_gateway::{ApiConfig, Config, DocsConfig, SimulationSettings, Upstream, UpstreamUrlError};
use demur_matrix::Matrix;

use crate::mock::Mock;
use crate::script::Script;

/// Which checks of the gateway apply to requests. By default, none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks {
    /// API keys, plans, limits, credits and rules.
    pub authenticates: bool,
    /// Parameters and bodies, against the document.
    pub validates: bool,
}

/// The APIs of a configuration, on their way into a mock.
pub struct Mocked {
    config: Config,
    apis: Vec<Arc<Api>>,
    upstreams: Vec<Upstream>,
}

impl Mocked {
    /// Takes the APIs out of a configuration.
    pub fn new(mut config: Config) -> Self {
        let parts = std::mem::take(&mut config.apis).into_iter();
        let api = |mut api: ApiConfig| {
            // A mock that only records rejections would be of no use.
            api.settings.monitor = false;
            (Api::new(api.settings), api.upstream)
        };
        let (apis, upstreams) = parts.map(api).unzip();
        Self { config, apis, upstreams }
    }

    /// The APIs with all their checks, as they are published.
    pub fn apis(&self) -> &[Arc<Api>] {
        &self.apis
    }

    /// The plans.
    pub fn plans(&self) -> &[Plan] {
        &self.config.plans
    }

    /// Where the reference pages are served.
    pub fn docs(&self) -> Option<&DocsConfig> {
        self.config.docs.as_ref()
    }

    /// The mock, and the configuration of its gateway. `upstream` is the address of the mock's own upstream.
    pub fn finish(
        self,
        matrix: Matrix,
        checks: Checks,
        script: Script,
        upstream: SocketAddr,
    ) -> Result<(Config, Arc<Mock>), UpstreamUrlError> {
        let Self { mut config, apis, upstreams } = self;
        let mock = Arc::new(Mock::new(matrix, config.plans.clone(), script));
        for (index, (api, configured)) in apis.into_iter().zip(upstreams).enumerate() {
            let Some(mut settings) = Api::into_settings(api) else { continue };
            apply(&mut settings, checks);
            let own: Upstream = format!("http://{upstream}/{index}").parse()?;
            let upstream = Upstream { max_headers: configured.max_headers, ..own };
            config.apis.push(ApiConfig { settings, upstream });
        }
        let simulator = Arc::clone(&mock);
        config.simulation = SimulationSettings(Some(Box::new(move |apis| {
            // Set once: a gateway has one mock.
            let _ = simulator.apis.set(apis.to_vec());
            simulator
        })));
        Ok((config, mock))
    }
}

fn apply(settings: &mut ApiSettings, checks: Checks) {
    // What the mock makes up is not held against the document.
    settings.validation.responses = ResponseMode::Ignore;
    // And it makes up no WebSocket messages: handshakes are rejected as where WebSocket is not enabled.
    settings.operations.iter_mut().for_each(|operation| operation.websocket = None);
    if !checks.authenticates {
        // Rules may ask for the caller.
        settings.rules.clear();
    }
    if !checks.validates {
        settings.validation.requests = RequestValidation::Off;
        settings.validation.rejects_unacceptable = false;
    }
    for operation in &mut settings.operations {
        if !checks.authenticates {
            operation.anonymous = true;
        }
        if !checks.validates {
            operation.validation = None;
        }
    }
}
