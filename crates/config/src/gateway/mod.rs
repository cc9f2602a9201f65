//! The file as a gateway reads it: all of it.

mod access_log;
mod admin;
mod cache;
mod certificates;
mod checks;
mod count;
mod docs;
mod endpoints;
mod journal;
mod limits;
mod listen;
mod reload;
mod store;
mod store_only;
mod trusted_proxies;
mod upstream;
mod upstream_url;

pub use store_only::load_store_only;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use demur_gateway::{ApiConfig, Config, StoreUrl};
use demur_source::{Diagnostics, Fields, Node, Source};

use crate::api::read_api;
use crate::file::{api_nodes, load, read_default_contract, read_plans};
use crate::inputs::Inputs;
use crate::reader::ConfigReader;
use count::read_count;
use store::read_store;

/// Reads a file that is in memory; relative paths in it are relative to `folder`. Warnings come with the configuration.
pub fn load_gateway(source: &Arc<Source>, folder: &Path) -> Result<(Config, Diagnostics), Diagnostics> {
    load(source, folder, read)
}

/// The same, with what was read: also where the result is an error, as far as it could be read.
pub fn load_gateway_with_inputs(
    source: &Arc<Source>,
    folder: &Path,
) -> (Result<(Config, Diagnostics), Diagnostics>, Inputs) {
    let mut inputs = Inputs::default();
    let loaded = load(source, folder, |root, reader| {
        inputs.tree = root.to_json();
        let config = read(root, reader);
        inputs.files = std::mem::take(&mut reader.inputs);
        config
    });
    (loaded, inputs)
}

/// More threads than any machine has cores for.
const MAX_WORKERS: usize = 1024;

fn read(root: &Node, reader: &mut ConfigReader<'_>) -> Option<Config> {
    let mut fields = Fields::of(root, reader.source, "the configuration", reader.found)?;
    let _ = fields.node("demur");
    let listeners = listen::read_listeners(&mut fields, reader);
    let names = listeners.iter().filter_map(|listener| listener.name.as_deref());
    reader.listeners = Some(names.map(str::to_owned).collect());
    let operations_listener = listen::read_operations_listener(&mut fields, &listeners, reader);
    let store = read_store(&mut fields, reader);
    let default_contract = read_default_contract(&mut fields, reader);
    let workers = read_workers(&mut fields, reader);
    let access_log =
        fields.node("access_log").map(|node| access_log::read_access_log(node, reader)).unwrap_or_default();
    let journal = fields.node("journal").and_then(|node| journal::read_journal(node, store.as_ref(), reader));
    let used = listeners.iter().map(|listener| listener.address).chain(operations_listener);
    let used: Vec<_> = used.collect();
    let admin = fields.node("admin").and_then(|node| admin::read_admin(node, &used, reader));
    let of_store = store.as_ref().and_then(|store| match store {
        StoreUrl::Sqlite(path) => Some(path),
        StoreUrl::Postgres(_) => None,
    });
    let of_journal = journal.as_ref().map(|journal| &journal.path);
    if let (Some(admin), Some(node)) = (&admin, fields.node("admin"))
        && [of_store, of_journal].into_iter().flatten().any(|other| *other == admin.path)
    {
        let help = "use a file of its own, such as `admin.db`".to_owned();
        reader.error(node.span, "admin", "the admin API has the file of the store or of the journal", help);
    }
    let proxies = fields.node("trusted_proxies");
    let proxies = proxies.map(|node| trusted_proxies::read_trusted_proxies(node, reader)).unwrap_or_default();
    let limits = fields.node("limits").map(|node| limits::read_limits(node, reader)).unwrap_or_default();
    let cache = fields.node("cache").map(|node| cache::read_cache(node, reader)).unwrap_or_default();
    let plans = read_plans(&mut fields, reader);
    let items = api_nodes(&mut fields, reader);
    let mut apis: Vec<ApiConfig> = Vec::new();
    for node in items {
        if let Some(api) = read_one_api(node, reader) {
            checks::check_duplicate(&api, &apis, node.span, reader);
            checks::check_key_set(&api, node, reader);
            checks::check_features(&api, &plans, node, reader);
            checks::check_costs(&api, &plans, node, reader);
            apis.push(api);
        }
    }
    // An API that could not be read may have had the operations.
    if apis.len() == items.len() {
        checks::check_rates(fields.map("plans", &mut Diagnostics::new()), &apis, reader);
    }
    let docs = fields.node("docs").and_then(|node| docs::read_docs(node, &apis, reader));
    let reload = fields.node("reload").map(|node| reload::read_reload(node, reader)).unwrap_or_default();
    checks::check_body_memory(limits.body_memory, &apis, root, reader);
    fields.finish(reader.found);
    Some(Config {
        listeners,
        store: store?,
        workers,
        limits,
        cache,
        trusted_proxies: proxies.into(),
        access_log,
        journal,
        plans,
        apis,
        docs,
        reload,
        operations_listener,
        admin,
        ..Config::new(default_contract?)
    })
}

fn read_workers(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Option<NonZeroUsize> {
    let span = fields.node("workers").map(|node| node.span)?;
    let workers = read_count(fields, "workers", reader)?;
    if workers.get() > MAX_WORKERS {
        let message = format!("`workers` must be at most {MAX_WORKERS}");
        reader.error(span, "number", message, "remove `workers` to use one per core".to_owned());
    }
    Some(workers)
}

fn read_one_api(node: &Node, reader: &mut ConfigReader<'_>) -> Option<ApiConfig> {
    let mut fields = Fields::of(node, reader.source, "an API", reader.found)?;
    let upstream = match fields.node("upstream") {
        Some(node) => upstream::read_upstream(node, reader),
        None => {
            fields.missing("upstream", reader.found);
            None
        }
    };
    let settings = read_api(&mut fields, reader);
    fields.finish(reader.found);
    let (mut settings, upstream) = (settings?, upstream?);
    settings.knows_health = upstream.has_health();
    Some(ApiConfig { settings, upstream })
}
