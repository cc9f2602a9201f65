//! The file as a command reads it that uses the store or the journal and no document: these, the plans, and the names of
//! the APIs.
//!
//! Large documents take seconds to load, and their warnings do not concern such a command. What else is wrong in the file
//! does not keep operators from revoking a key.

use std::path::Path;
use std::sync::Arc;

use demur_contract::{Contract, builtin};
use demur_engine::settings::ApiSettings;
use demur_gateway::{ApiConfig, Config};
use demur_source::{Diagnostics, Fields, Node, Source};
use demur_validation::{ApiDocument, DocumentOptions};

use super::admin::read_admin_file;
use super::journal::read_journal;
use super::store::read_store;
use crate::authentication::read_authentication;
use crate::file::{api_nodes, load, read_plans};
use crate::reader::ConfigReader;

/// A document without operations, in place of those that are not loaded.
const NO_OPERATIONS: &str = "{ openapi: 3.1.0, info: { title: none, version: none }, paths: {} }";
/// An upstream that nothing is sent to.
const NO_UPSTREAM: &str = "http://localhost:80";

/// Reads the store, the plans, and the APIs with their key prefixes. The APIs have no operations, and must not be served.
pub fn load_store_only(source: &Arc<Source>, folder: &Path) -> Result<(Config, Diagnostics), Diagnostics> {
    load(source, folder, read)
}

fn read(root: &Node, reader: &mut ConfigReader<'_>) -> Option<Config> {
    let mut fields = Fields::of(root, reader.source, "the configuration", reader.found)?;
    let store = read_store(&mut fields, reader);
    let journal = fields.node("journal").and_then(|node| read_journal(node, store.as_ref(), reader));
    let admin = fields.node("admin").map(|node| read_admin_file(node, reader));
    let plans = read_plans(&mut fields, reader);
    let contract = Arc::new(Contract::load(&builtin::source("problem")?).ok()?.contract);
    let nodes = api_nodes(&mut fields, reader);
    let apis = nodes.iter().filter_map(|node| read_api(node, &contract, reader)).collect();
    Some(Config { store: store?, journal, admin, plans, apis, ..Config::new(contract) })
}

fn read_api(node: &Node, contract: &Arc<Contract>, reader: &mut ConfigReader<'_>) -> Option<ApiConfig> {
    let mut fields = Fields::of(node, reader.source, "an API", reader.found)?;
    let name = reader.required(&mut fields, "name");
    let authentication = fields.node("authentication");
    if authentication.is_none() {
        fields.missing("authentication", reader.found);
    }
    let authentication = read_authentication(authentication?, reader)?;
    let source = Source::new("none", NO_OPERATIONS);
    let options = DocumentOptions::default();
    let document = ApiDocument::load_files(
        &source,
        &mut |name: &str| Err(format!("{name} is not read")),
        &options,
        &mut Diagnostics::new(),
    )?;
    let settings = ApiSettings::new(name?.0, Arc::clone(contract), document, authentication);
    Some(ApiConfig { settings, upstream: NO_UPSTREAM.parse().ok()? })
}
