//! `operations:` of an API: what each requires beyond a valid key, by its operationId.

use demur_contract::{Contract, Location};
use demur_engine::settings::{
    Idempotency, OperationSettings, Origins, ResourceTemplate, ResourceTemplateError, UpstreamErrors,
    WebSocket,
};
use demur_source::{Fields, Key, Node};
use demur_validation::{ApiDocument, Operation};
use http::Method;

use crate::headers::read_headers;
use crate::idempotency::read_idempotency;
use crate::metering::read_usage;
use crate::names::unknown_operation;
use crate::path_characters::read_path_characters;
use crate::reader::ConfigReader;
use crate::upstream_errors::read_upstream_errors;
use crate::validation::REQUESTS;
use crate::websocket::read_websocket;

/// What the operations of an API have in common, unless they say otherwise.
#[derive(Clone, Copy)]
pub(crate) struct OfApi<'a> {
    pub(crate) idempotency: Idempotency,
    pub(crate) upstream_errors: &'a UpstreamErrors,
    pub(crate) websocket: Option<&'a WebSocket>,
    pub(crate) contracts: &'a [&'a Contract],
}

impl OfApi<'_> {
    /// WebSocket begins with GET.
    fn websocket_of(self, operation: &Operation) -> Option<WebSocket> {
        self.websocket.filter(|_| *operation.method() == Method::GET).cloned()
    }
}

/// Settings of all operations, by their index in the document.
pub(crate) fn read_operations(
    entries: &[(Key, Node)],
    document: &ApiDocument,
    of_api: OfApi<'_>,
    reader: &mut ConfigReader<'_>,
) -> Vec<OperationSettings> {
    let idempotency = of_api.idempotency;
    let default = |operation: &Operation| {
        let websocket = of_api.websocket_of(operation);
        OperationSettings { idempotency, websocket, ..OperationSettings::default() }
    };
    let mut operations: Vec<OperationSettings> = document.operations().iter().map(default).collect();
    for (key, node) in entries {
        let Some(operation) = document.operation(&key.name) else {
            unknown_operation(&key.name, key.span, document, reader);
            continue;
        };
        if let Some(settings) = read_operation(node, operation, of_api, reader) {
            operations[operation.index()] = settings;
        }
    }
    operations
}

fn read_operation(
    node: &Node,
    operation: &Operation,
    of_api: OfApi<'_>,
    reader: &mut ConfigReader<'_>,
) -> Option<OperationSettings> {
    let mut fields = Fields::of(node, reader.source, "an operation", reader.found)?;
    let credits = match fields.int("credits", reader.found).map(u64::try_from) {
        None => 0,
        Some(Ok(credits)) => credits,
        Some(Err(_)) => {
            reader.error(node.span, "number", "`credits` must not be negative", None);
            0
        }
    };
    let cost = reader.positive(&mut fields, "cost");
    let idempotency = of_api.idempotency;
    let own_idempotency = fields.node("idempotency");
    let upstream_errors = fields.node("upstream_errors");
    let upstream_errors = upstream_errors
        .map(|node| read_upstream_errors(node, of_api.upstream_errors, of_api.contracts, reader));
    let headers = fields.node("headers").map(|node| read_headers(node, reader)).unwrap_or_default();
    let own_websocket = fields.node("websocket");
    let websocket = match own_websocket {
        Some(node) => read_websocket(node, of_api.websocket, reader),
        None => of_api.websocket_of(operation),
    };
    let settings = OperationSettings {
        cost,
        credits,
        usage: fields.node("usage").map(|node| read_usage(node, credits, reader)).unwrap_or_default(),
        feature: fields.text("feature", reader.found),
        scope: fields.text("scope", reader.found),
        resource: fields.node("resource").and_then(|node| read_resource(node, operation, reader)),
        idempotency: own_idempotency.map_or(idempotency, |node| read_idempotency(node, idempotency, reader)),
        forward_balance: fields.boolean("forward_balance", reader.found).unwrap_or(false),
        anonymous: fields.boolean("anonymous", reader.found).unwrap_or(false),
        max_body_bytes: reader.size(&mut fields, "max_body_bytes"),
        timeout: reader.duration(&mut fields, "timeout"),
        path_characters: read_path_characters(&mut fields, reader),
        validation: reader.choice(&mut fields, "validation", REQUESTS),
        upstream_errors,
        headers,
        websocket,
    };
    let needs_key = settings.feature.is_some() || settings.scope.is_some() || settings.resource.is_some();
    if settings.anonymous && (needs_key || settings.credits > 0) {
        let message = "`anonymous: true` cannot be combined with `credits`, `feature`, `scope` or `resource`";
        let help = "remove `anonymous`, or the others: without a key there is nothing to check or charge";
        reader.error(node.span, "anonymous", message, help.to_owned());
    }
    if let Some(node) = own_idempotency.filter(|_| settings.anonymous) {
        let message =
            "`idempotency` has no effect on an anonymous operation: responses are stored per account";
        reader.error(node.span, "anonymous", message, "remove `idempotency`".to_owned());
    }
    if let (Some(_), Some(node)) = (&settings.websocket, own_websocket)
        && *operation.method() != Method::GET
    {
        let message = format!("`websocket` has no effect on `{}`: WebSocket begins with GET", operation.id());
        reader.error(node.span, "websocket", message, "remove `websocket`".to_owned());
    }
    if settings.anonymous
        && let Some(WebSocket { origins: Origins::Any, .. }) = &settings.websocket
    {
        let message = format!(
            "any website can open WebSocket connections to `{}` with the cookies of its visitors",
            operation.id()
        );
        let help = "list your own sites: `websocket: { origins: [\"https://app.example\"] }`".to_owned();
        let span = own_websocket.map_or(node.span, |node| node.span);
        reader.warning(span, "websocket-origins", message, help);
    }
    fields.finish(reader.found);
    Some(settings)
}

fn read_resource(
    node: &Node,
    operation: &Operation,
    reader: &mut ConfigReader<'_>,
) -> Option<ResourceTemplate> {
    let text = node.scalar_text()?;
    match ResourceTemplate::parse(&text, operation) {
        Ok(template) => Some(template),
        Err(ResourceTemplateError::UnmatchedBrace) => {
            let help = "write the name of a parameter in braces: `shelf:{shelf}`".to_owned();
            reader.error(node.span, "template", "unmatched `{`", help);
            None
        }
        Err(ResourceTemplateError::UnknownParameter(name)) => {
            let known: Vec<&str> =
                operation.parameters(Location::Path).chain(operation.parameters(Location::Query)).collect();
            let help = match demur_source::did_you_mean(&name, known.iter().copied()) {
                Some(known) => format!("did you mean `{{{known}}}`?"),
                None => format!("it has: {}", known.join(", ")),
            };
            let message = format!("`{}` has no path or query parameter `{name}`", operation.id());
            reader.error(node.span, "unknown-parameter", message, help);
            None
        }
    }
}
