//! The file as a service reads it: plans, APIs, and the default contract.

use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_contract::Contract;
use demur_engine::settings::{ApiSettings, KeySource, TokenSettings};
use demur_source::{Diagnostics, Fields, Node, Source};

use crate::api::read_api;
use crate::file::{GATEWAY_KEYS, api_nodes, load, read_default_contract, read_plans};
use crate::reader::ConfigReader;

/// What a service needs of the file.
#[derive(Debug)]
pub struct ServiceSettings {
    /// The contract in which requests are rejected before their API is known.
    pub default_contract: Arc<Contract>,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The APIs.
    pub apis: Vec<ApiSettings>,
}

/// Reads a file that is in memory; relative paths in it are relative to `folder`. Warnings come with the settings.
///
/// What only a gateway needs (listeners, store, upstreams) is ignored, so that one file can serve both.
pub fn load_service(
    source: &Arc<Source>,
    folder: &Path,
) -> Result<(ServiceSettings, Diagnostics), Diagnostics> {
    load(source, folder, |root, reader| {
        // How long a handler takes is up to the service: it runs in this process, not behind a network.
        reader.overload.is_adaptive = false;
        read(root, reader)
    })
}

fn read(root: &Node, reader: &mut ConfigReader<'_>) -> Option<ServiceSettings> {
    let mut fields = Fields::of(root, reader.source, "the configuration", reader.found)?;
    let _ = fields.node("demur");
    for name in GATEWAY_KEYS {
        let _ = fields.node(name);
    }
    let default_contract = read_default_contract(&mut fields, reader);
    let plans = read_plans(&mut fields, reader);
    let items = api_nodes(&mut fields, reader);
    if items.is_empty() && fields.node("apis").is_some() {
        fields.missing("apis", reader.found);
    }
    let apis = items.iter().filter_map(|node| read_one_api(node, reader)).collect();
    fields.finish(reader.found);
    Some(ServiceSettings { default_contract: default_contract?, plans, apis })
}

fn read_one_api(node: &Node, reader: &mut ConfigReader<'_>) -> Option<ApiSettings> {
    let mut fields = Fields::of(node, reader.source, "an API", reader.found)?;
    // Where a gateway finds the service.
    let _ = fields.node("upstream");
    let mut settings = read_api(&mut fields, reader);
    fields.finish(reader.found);
    let tokens = settings.as_ref().and_then(|settings| settings.authentication.tokens.as_ref());
    if let Some(TokenSettings { source: KeySource::Url(source), .. }) = tokens.map(|tokens| &**tokens) {
        let keys = ["authentication", "tokens", "keys"].iter().try_fold(node, |node, name| node.get(name));
        let message = format!("a service does not fetch `{}`: tokens are rejected without keys", source.url);
        let help = "use `keys: { file: … }`, or replace the keys with `KeySetCell::set`".to_owned();
        reader.warning(keys.map_or(node.span, |keys| keys.span), "token-keys", message, help);
    }
    // A service switches protocols itself; only a gateway has tunnels.
    for operation in settings.iter_mut().flat_map(|settings| &mut settings.operations) {
        operation.websocket = None;
    }
    settings
}
