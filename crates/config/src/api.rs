//! One entry of `apis:`, but for its upstream, which is the gateway's to read.

use std::path::Path;

use demur_contract::Contract;
use demur_engine::EventStreamErrors;
use demur_engine::settings::{
    ApiSettings, ContractVersion, DEFAULT_MAX_RETRY_WAIT, Idempotency, Mount, OperationSettings,
    ReservedNames, TraceParent, UpstreamErrors,
};
use demur_source::{Diagnostics, Fields, Node, Span};
use demur_validation::{ApiDocument, DocumentOptions, ServerPaths, UnknownPaths};

use crate::addresses::read_addresses;
use crate::authentication::read_authentication;
use crate::contract_version::{check_claims, read_versions};
use crate::cors::read_cors;
use crate::headers::read_headers;
use crate::idempotency::read_idempotency;
use crate::operation::{OfApi, read_operations};
use crate::overload::read_overload;
use crate::path_characters::read_path_characters;
use crate::reader::ConfigReader;
use crate::references::References;
use crate::rule::read_rule;
use crate::security::compare_security;
use crate::upstream_errors::read_upstream_errors;
use crate::validation::read_validation;
use crate::websocket::read_websocket;

const MODES: &[(&str, bool)] = &[("enforce", false), ("monitor", true)];

const TRACEPARENT: &[(&str, TraceParent)] = &[
    ("pass", TraceParent::Pass),
    ("create", TraceParent::Create),
    ("create_sampled", TraceParent::CreateSampled),
];

/// Reads an API. The caller has opened `fields`, and finishes it.
pub(crate) fn read_api(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Option<ApiSettings> {
    let name = reader.required(fields, "name");
    let contract = reader
        .required(fields, "contract")
        .and_then(|(name, span)| reader.contract(&name, span).map(|contract| (contract, span)));
    let openapi_span = fields.node("openapi").map(|node| node.span);
    let openapi = fields.text("openapi", reader.found).zip(openapi_span);
    let mount = fields.node("mount").map(|node| read_mount(node, reader)).unwrap_or_default();
    let authentication = fields.node("authentication").map(|node| read_authentication(node, reader));
    let versions = read_versions(fields, authentication.as_ref().and_then(Option::as_ref), reader);
    if let Some((contract, span)) = &contract {
        check_claims((contract, *span), &versions, reader);
    }
    let max_body_bytes = reader.size(fields, "max_body_bytes").unwrap_or(reader.max_body_bytes);
    let is_monitor_mode = reader.choice(fields, "mode", MODES).unwrap_or(false);
    let validation = fields.node("validation").map(|node| read_validation(node, reader));
    let (options, validation, references) = validation.unwrap_or_default();
    let is_forwarding = options.unknown_paths == UnknownPaths::Forward;
    let addresses = fields.node("addresses").map(|node| read_addresses(node, reader)).unwrap_or_default();
    let cors = fields.node("cors").and_then(|node| read_cors(node, reader));
    let idempotency = fields.node("idempotency");
    let idempotency =
        idempotency.map(|node| read_idempotency(node, Idempotency::default(), reader)).unwrap_or_default();
    let overload = fields.node("overload").map(|node| read_overload(node, reader));
    let overload = overload.unwrap_or(reader.overload);
    let path_characters = read_path_characters(fields, reader);
    let reserved_headers = read_reserved_headers(fields, reader);
    let event_stream_errors = read_event_stream_errors(fields, reader);
    let max_retry_wait = reader.duration(fields, "max_retry_wait").unwrap_or(DEFAULT_MAX_RETRY_WAIT);
    let server_timing = fields.boolean("server_timing", reader.found).unwrap_or(false);
    let headers = fields.node("headers").map(|node| read_headers(node, reader)).unwrap_or_default();
    let traceparent = reader.choice(fields, "traceparent", TRACEPARENT).unwrap_or_default();
    let websocket = fields.node("websocket").and_then(|node| read_websocket(node, None, reader));
    let upstream_errors = fields.node("upstream_errors");
    let authentication_span = fields.node("authentication").map(|node| node.span);
    let document = match (openapi, openapi_span) {
        (Some((path, span)), _) => read_document(&path, span, &references, &options, reader),
        // What is wrong with it has been reported.
        (None, Some(_)) => None,
        (None, None) if is_forwarding => Some(ApiDocument::without_declarations(&options)),
        (None, None) => {
            fields.missing("openapi", reader.found);
            None
        }
    };
    if let (Some(document), Some(span)) = (&document, openapi_span) {
        compare_server_paths(document, &options, &mount, span, reader);
    }
    let operations = fields.map("operations", reader.found);
    let rules = fields.list("rules", reader.found);
    if authentication.is_none() {
        fields.missing("authentication", reader.found);
    }
    // Without the document or the contract, names cannot be checked; what is wrong with them has been reported.
    let (document, (contract, _)) = (document?, contract?);
    let versions: Vec<ContractVersion> = versions.into_iter().map(|(version, _)| version).collect();
    let contracts: Vec<&Contract> =
        std::iter::once(&contract).chain(versions.iter().map(|it| &it.contract)).map(|it| &**it).collect();
    let upstream_errors = upstream_errors
        .map(|node| read_upstream_errors(node, &UpstreamErrors::default(), &contracts, reader))
        .unwrap_or_default();
    let websocket = websocket.as_ref();
    let of_api = OfApi { idempotency, upstream_errors: &upstream_errors, websocket, contracts: &contracts };
    let operations = read_operations(operations, &document, of_api, reader);
    if let Some(span) = openapi_span {
        warn_upgrades(span, &document, &operations, reader);
    }
    let rules = rules.iter().filter_map(|node| read_rule(node, &document, &contracts, reader)).collect();
    let authentication = authentication??;
    if let Some(span) = authentication_span {
        compare_security(span, &document, &authentication, &operations, reader);
    }
    let (name, span) = name?;
    check_name(&name, span, reader);
    Some(ApiSettings {
        mount,
        versions,
        operations,
        addresses,
        rules,
        max_body_bytes,
        monitor: is_monitor_mode,
        validation,
        cors,
        overload,
        path_characters,
        reserved_headers,
        event_stream_errors,
        max_retry_wait,
        upstream_errors,
        headers,
        server_timing,
        traceparent,
        ..ApiSettings::new(name, contract, document, authentication)
    })
}

/// Warns of operations that switch to another protocol and do not serve WebSocket: such requests are rejected.
fn warn_upgrades(
    span: Span,
    document: &ApiDocument,
    settings: &[OperationSettings],
    reader: &mut ConfigReader<'_>,
) {
    for (operation, settings) in document.operations().iter().zip(settings) {
        if settings.websocket.is_none() && operation.response_statuses().any(|status| status == "101") {
            let message = format!(
                "`{}` switches to another protocol (101), which is not enabled: such requests are rejected as \
                 `request.upgrade_rejected`",
                operation.id()
            );
            let help = format!(
                "write `operations: {{ {}: {{ websocket: true }} }}`, or route other protocols past the gateway",
                operation.id()
            );
            reader.warning(span, "upgrade", message, help);
        }
    }
}

/// Warns if callers of the document send paths that are not found here: its servers have a path that neither the option
/// `server_paths` nor the mount has.
fn compare_server_paths(
    document: &ApiDocument,
    options: &DocumentOptions,
    mount: &Mount,
    span: Span,
    reader: &mut ConfigReader<'_>,
) {
    let paths = document.server_paths();
    let is_mounted = paths.contains(&mount.path);
    if options.server_paths == ServerPaths::Use || is_mounted {
        return;
    }
    let Some(path) = paths.iter().find(|path| !path.is_empty()) else { return };
    let example = document.operations().iter().find(|operation| !operation.is_catch_all());
    let example = example.map_or("/", |operation| operation.path());
    let message = format!(
        "the document's servers have the path `{path}`, which is not used: requests for `{}{path}{example}` are not found",
        mount.path
    );
    let help = format!(
        "set `validation.server_paths: use` to serve `{path}{example}` and forward it as it is, or \
         `mount: {{ path: {path} }}` to forward `{example}`"
    );
    reader.warning(span, "server-paths", message, help);
}

/// The name of an API is in the realm of challenges, in logs and in the file of keys.
fn check_name(name: &str, span: Span, reader: &mut ConfigReader<'_>) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        let message = format!("`{name}` is not a valid API name");
        reader.error(span, "api-name", message, "use letters, digits, `-`, `_` and `.`".to_owned());
    }
}

fn read_document(
    path: &str,
    span: Span,
    references: &References,
    options: &DocumentOptions,
    reader: &mut ConfigReader<'_>,
) -> Option<ApiDocument> {
    let source = reader.file(path, span)?;
    let mut mistakes = Diagnostics::new();
    // Files that the document refers to are named relative to it.
    let folder = reader.folder.join(path).parent().map(Path::to_owned).unwrap_or_default();
    let mut inputs = std::mem::take(&mut reader.inputs);
    let mut read = |name: &str| {
        let file = references.file(&folder, name);
        match &file {
            Ok(source) => inputs.read(Path::new(&source.name), source.text.as_bytes()),
            Err(_) => inputs.missing(&folder.join(name)),
        }
        file
    };
    let document = ApiDocument::load_files(&source, &mut read, options, &mut mistakes);
    reader.inputs = inputs;
    let document = document.filter(|_| !mistakes.has_errors());
    reader.found.extend(mistakes);
    document
}

fn read_mount(node: &Node, reader: &mut ConfigReader<'_>) -> Mount {
    let mut mount = Mount::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`mount`", reader.found) else { return mount };
    mount.host = fields.text("host", reader.found).map(|host| host.to_ascii_lowercase());
    if mount.host.as_ref().is_some_and(|host| host.contains(['/', ' ']) || has_port(host)) {
        let help = "write the name alone: the port of a request is ignored".to_owned();
        reader.error(node.span, "host", "`host` must be a name without scheme and port", help);
    }
    if let Some(path) = fields.text("path", reader.found) {
        let span = fields.node("path").map_or(node.span, |node| node.span);
        let path = path.trim_end_matches('/');
        if !path.is_empty() && !path.starts_with('/') {
            let help = format!("write `/{path}`");
            reader.error(span, "path", format!("path prefix `{path}` must start with `/`"), help);
        } else if path.contains("//")
            || path.contains(['?', '#', '%'])
            || !path.bytes().all(|b| b.is_ascii_graphic())
        {
            reader.error(span, "path", format!("`{path}` is not a valid path prefix"), None);
        }
        mount.path = path.to_owned();
    }
    fields.finish(reader.found);
    mount
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(name, port)| !name.contains(':') && port.parse::<u16>().is_ok())
}

fn read_reserved_headers(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> ReservedNames {
    let mut reserved = ReservedNames::default();
    for (name, span) in fields.texts("reserved_headers", reader.found) {
        if !reserved.add(&name) {
            let help = "write a header name, or the beginning of one and `*`: `x-tenant-*`".to_owned();
            reader.error(span, "header-name", format!("`{name}` is not a valid header name"), help);
        }
    }
    reserved
}

const EVENT_STREAM_ERRORS: &[(&str, EventStreamErrors)] =
    &[("redact", EventStreamErrors::Redact), ("pass", EventStreamErrors::Pass)];

fn read_event_stream_errors(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> EventStreamErrors {
    let read = reader.choice(fields, "event_stream_errors", EVENT_STREAM_ERRORS).unwrap_or_default();
    if let (EventStreamErrors::Pass, Some(node)) = (read, fields.node("event_stream_errors")) {
        let message = "the text of error events in event streams reaches clients as the upstream wrote it";
        let help = "write `redact`, or make sure that it tells clients nothing internal".to_owned();
        reader.warning(node.span, "event-stream-errors", message, help);
    }
    read
}
