//! One entry of `apis:`: where it is mounted, its contract and document, what its operations ask for, its
//! rules. The upstream belongs to whoever forwards, and is left to them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use demur_contract::{Contract, Location};
use demur_source::{Diagnostics, Fields, Key, Node, Span, did_you_mean};
use demur_validation::{ApiDocument, Declarations, Expression, Operation, PathCharacters};

use super::authentication::{Authentication, read_authentication};
use super::contract_version::{ContractVersion, check_claims, read_generations};
use super::cors::{Cors, read_cors};
use super::idempotency::{Idempotency, read_idempotency};
use super::metering::{Metering, read_usage};
use super::overload::{Overload, read_overload};
use super::plan::{positive, read_duration};
use super::validation::{ValidationSettings, compare_security, read_validation};
use super::{ConfigReader, ReservedNames, bytes};
use crate::response::event_stream::EventStreamErrors;

/// An API, ready to be served.
#[derive(Debug)]
pub struct ApiSettings {
    /// Its name: keys are made for it under this name.
    pub name: String,
    /// Which requests are meant for it.
    pub mount: Mount,
    /// How it answers errors, where no other generation is picked.
    pub contract: Arc<Contract>,
    /// Other contracts that it answers in; the first that is picked speaks.
    pub generations: Vec<ContractVersion>,
    /// What it takes.
    pub document: ApiDocument,
    /// Who may ask.
    pub authentication: Authentication,
    /// What its operations ask for, by their index in the document.
    pub operations: Vec<OperationSettings>,
    /// Rules beyond the document.
    pub rules: Vec<RuleSettings>,
    /// The most content that is taken, in bytes.
    pub max_content: u64,
    /// Whether it is only watched: everything is decided and recorded, and nothing is refused for it.
    pub observe: bool,
    /// How strictly it is held against its document.
    pub validation: ValidationSettings,
    /// Whose scripts may call it from a browser; nobody's where there is nothing.
    pub cors: Option<Cors>,
    /// How much its upstream is asked for at once.
    pub overload: Overload,
    /// Characters that servers read differently, and that the paths of all its operations may contain.
    pub path_characters: PathCharacters,
    /// Headers that only a trusted proxy may set, beyond the usual ones.
    pub reserved_headers: ReservedNames,
    /// What becomes of error events inside an event stream.
    pub event_stream_errors: EventStreamErrors,
    /// The longest wait after which a client is told to retry.
    pub max_retry_wait: Duration,
}

/// Clients sleep through the wait that they are told, and a minute is what people wait for.
pub(crate) const DEFAULT_MAX_RETRY_WAIT: Duration = Duration::from_secs(60);

/// By what an API is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// The host, in lower case and without port; any where there is none.
    pub host: Option<String>,
    /// The path prefix, without a slash at its end: empty, or `/name`.
    pub path: String,
}

/// What one operation asks for beyond a valid key.
#[derive(Debug, Default)]
pub struct OperationSettings {
    /// For how many requests a call counts, with rates and quota; one where it does not say.
    pub cost: Option<NonZeroU32>,
    /// Credits that a call costs, at the most.
    pub credits: u64,
    /// How much of them it uses, and when that is settled.
    pub usage: Metering,
    /// A feature that the plan must have.
    pub feature: Option<String>,
    /// A scope that the key must have.
    pub scope: Option<String>,
    /// A resource that the key must cover: `shelf:{shelf}`, by the names of parameters.
    pub resource: Option<ResourceTemplate>,
    /// What an `Idempotency-Key` means to it.
    pub idempotency: Idempotency,
    /// Whether the upstream is told how many credits are left, also where the call costs none.
    pub passes_credits: bool,
    /// Whether it may be called without a key.
    pub anonymous: bool,
    /// The most content that it takes; the API's where there is none.
    pub max_content: Option<u64>,
    /// How long its upstream may take; the API's own time-out where there is none.
    pub timeout: Option<Duration>,
    /// Characters that its path may contain beside those that all paths of the API may.
    pub path_characters: PathCharacters,
}

/// A resource's name with parameters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate {
    /// Text and parameters in turn, beginning with text.
    pub(crate) texts: Vec<String>,
    pub(crate) parameters: Vec<ResourceParameter>,
}

/// A parameter in a resource's name, as the operation declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceParameter {
    pub(crate) name: String,
    pub(crate) in_path: bool,
    pub(crate) required: bool,
}

/// A rule in CEL, and what it raises.
#[derive(Debug)]
pub struct RuleSettings {
    /// For the journal.
    pub name: String,
    /// For which operations, by index; empty means all.
    pub operations: Vec<usize>,
    /// Must be true.
    pub require: Expression,
    /// Is raised where it is not: an error that every generation has, by its name.
    pub raise: String,
    /// Is raised where the rule cannot be evaluated; `rule.failed` where there is none.
    pub on_failure: Option<String>,
    /// Parameters of the error.
    pub with: Vec<(String, Expression)>,
}

impl ApiSettings {
    /// Every contract that it answers in, the usual one first.
    pub fn contracts(&self) -> impl Iterator<Item = &Arc<Contract>> {
        std::iter::once(&self.contract).chain(self.generations.iter().map(|generation| &generation.contract))
    }

    /// Whether a request's host decides what becomes of it.
    pub(crate) fn asks_for_host(&self) -> bool {
        self.mount.host.is_some() || self.generations.iter().any(|generation| generation.when.host.is_some())
    }
}

/// Reads an API. `fields` has been opened by the caller, who takes what is the forwarder's from it and
/// finishes it.
pub fn read_api(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> Option<ApiSettings> {
    let name = required(fields, "name", reading);
    let contract = required(fields, "contract", reading)
        .and_then(|(name, span)| reading.contract(&name, span).map(|contract| (contract, span)));
    let openapi = required(fields, "openapi", reading);
    let mount = fields.node("at").map(|node| read_mount(node, reading)).unwrap_or_default();
    let authentication = fields.node("authentication").map(|node| read_authentication(node, reading));
    let known = authentication.as_ref().and_then(Option::as_ref);
    let generations = read_generations(fields, known, reading);
    if let Some((contract, span)) = &contract {
        check_claims((contract, *span), &generations, reading);
    }
    let max_content = read_bytes(fields, "max_content", reading).unwrap_or(reading.max_content);
    let observe = fields.boolean("observe", reading.found).unwrap_or(false);
    let validation = fields.node("validation").map(|node| read_validation(node, reading));
    let (options, validation, references) = validation.unwrap_or_default();
    let cors = fields.node("cors").and_then(|node| read_cors(node, reading));
    let idempotency = fields.node("idempotency");
    let idempotency =
        idempotency.map(|node| read_idempotency(node, Idempotency::default(), reading)).unwrap_or_default();
    let overload = fields.node("overload").map(|node| read_overload(node, reading));
    let overload = overload.unwrap_or(reading.overload);
    let path_characters = read_path_characters(fields, reading);
    let reserved_headers = read_reserved_headers(fields, reading);
    let event_stream_errors = read_event_stream_errors(fields, reading);
    let max_retry_wait = read_duration(fields, "max_retry_wait", reading).unwrap_or(DEFAULT_MAX_RETRY_WAIT);
    let authentication_span = fields.node("authentication").map(|node| node.span);

    let document = openapi.and_then(|(path, span)| {
        let source = reading.file(&path, span)?;
        let mut mistakes = Diagnostics::new();
        // Files that the document refers to are named relative to it.
        let folder = reading.folder.join(&path).parent().map(std::path::Path::to_owned).unwrap_or_default();
        let mut read = |name: &str| references.file(&folder, name);
        let document = ApiDocument::load_files(&source, &mut read, &options, &mut mistakes);
        let document = document.filter(|_| !mistakes.has_errors());
        reading.found.extend(mistakes);
        document
    });
    let operations = fields.map("operations", reading.found);
    let rules = fields.list("rules", reading.found);
    if authentication.is_none() {
        fields.missing("authentication", reading.found);
    }
    // Without the document or the contract, names cannot be checked; what is wrong with them was said.
    let (document, (contract, _)) = (document?, contract?);
    let generations: Vec<ContractVersion> =
        generations.into_iter().map(|(generation, _)| generation).collect();
    let contracts: Vec<&Contract> =
        std::iter::once(&contract).chain(generations.iter().map(|it| &it.contract)).map(|it| &**it).collect();
    let operations = read_operations(operations, &document, idempotency, reading);
    let rules = rules.iter().filter_map(|node| read_rule(node, &document, &contracts, reading)).collect();
    let authentication = authentication??;
    if let Some(span) = authentication_span {
        compare_security(span, &document, &authentication, &operations, reading);
    }
    let (name, span) = name?;
    // It stands in the realm of a challenge, in logs and in the file of keys.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        let message = format!("`{name}` cannot be an API's name: letters, digits, `-`, `_` and `.`");
        reading.error(span, "api-name", message, None);
    }
    Some(ApiSettings {
        name,
        mount,
        contract,
        generations,
        document,
        authentication,
        operations,
        rules,
        max_content,
        observe,
        validation,
        cors,
        overload,
        path_characters,
        reserved_headers,
        event_stream_errors,
        max_retry_wait,
    })
}

/// The names of [`PathCharacters`].
fn read_path_characters(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> PathCharacters {
    let mut characters = PathCharacters::NONE;
    for (name, span) in fields.texts("path_characters", reading.found) {
        match PathCharacters::from_name(&name) {
            Some(more) => characters = characters.with(more),
            None => {
                let help = match did_you_mean(&name, PathCharacters::names()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("use: {}", PathCharacters::names().collect::<Vec<_>>().join(", ")),
                };
                reading.error(span, "path-characters", format!("unknown character name `{name}`"), help);
            }
        }
    }
    characters
}

fn read_reserved_headers(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> ReservedNames {
    let mut reserved = ReservedNames::default();
    for (name, span) in fields.texts("reserved_headers", reading.found) {
        if !reserved.add(&name) {
            let help = "write a header name, or the beginning of one and `*`: `x-tenant-*`".to_owned();
            reading.error(span, "header-name", format!("`{name}` is not a valid header name"), help);
        }
    }
    reserved
}

fn read_event_stream_errors(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> EventStreamErrors {
    let Some(span) = fields.node("event_stream_errors").map(|node| node.span) else {
        return EventStreamErrors::default();
    };
    match fields.text("event_stream_errors", reading.found).as_deref() {
        None | Some("redact") => EventStreamErrors::Redact,
        Some("pass") => {
            let message =
                "the text of error events in event streams reaches clients as the upstream wrote it";
            let help = "write `redact`, or make sure that it tells clients nothing internal".to_owned();
            reading.found.warning(reading.source, span, "event-stream-errors", message, help);
            EventStreamErrors::Pass
        }
        Some(_) => {
            let message = "`event_stream_errors` must be `redact` or `pass`";
            reading.error(span, "unknown-word", message, None);
            EventStreamErrors::Redact
        }
    }
}

pub(super) fn required(
    fields: &mut Fields<'_>,
    name: &'static str,
    reading: &mut ConfigReader<'_>,
) -> Option<(String, Span)> {
    let Some(span) = fields.node(name).map(|node| node.span) else {
        fields.missing(name, reading.found);
        return None;
    };
    fields.text(name, reading.found).map(|text| (text, span))
}

fn read_bytes(fields: &mut Fields<'_>, name: &'static str, reading: &mut ConfigReader<'_>) -> Option<u64> {
    let node = fields.node(name)?;
    let read = node.scalar_text().and_then(|text| bytes(&text));
    if read.is_none() {
        let help = "write a number of bytes, or `64KiB`, `1MiB`".to_owned();
        reading.error(node.span, "size", format!("`{name}` must be a size"), help);
    }
    read
}

fn read_mount(node: &Node, reading: &mut ConfigReader<'_>) -> Mount {
    let mut mount = Mount::default();
    let Some(mut fields) = Fields::of(node, reading.source, "`at`", reading.found) else { return mount };
    mount.host = fields.text("host", reading.found).map(|host| host.to_ascii_lowercase());
    if mount.host.as_ref().is_some_and(|host| host.contains(['/', ' ']) || has_port(host)) {
        let help = "write the name alone: a request's port is not looked at".to_owned();
        reading.error(node.span, "host", "`host` is a name without scheme and port", help);
    }
    if let Some(path) = fields.text("path", reading.found) {
        let path = path.trim_end_matches('/');
        if !path.is_empty() && !path.starts_with('/') {
            reading.error(node.span, "path", "a path prefix begins with `/`", format!("write `/{path}`"));
        } else if path.contains("//")
            || path.contains(['?', '#', '%'])
            || !path.bytes().all(|b| b.is_ascii_graphic())
        {
            reading.error(node.span, "path", "a path prefix is one that a request can have", None);
        }
        mount.path = path.to_owned();
    }
    fields.finish(reading.found);
    mount
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(name, port)| !name.contains(':') && port.parse::<u16>().is_ok())
}

fn unknown_operation(key: &str, span: Span, document: &ApiDocument, reading: &mut ConfigReader<'_>) {
    let known = document.operations().iter().map(|operation| operation.id());
    let help = match did_you_mean(key, known.clone()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the document has: {}", known.take(20).collect::<Vec<_>>().join(", ")),
    };
    reading.error(span, "unknown-operation", format!("the document has no operation `{key}`"), help);
}

fn read_operations(
    entries: &[(Key, Node)],
    document: &ApiDocument,
    idempotency: Idempotency,
    reading: &mut ConfigReader<'_>,
) -> Vec<OperationSettings> {
    let usual = || OperationSettings { idempotency, ..OperationSettings::default() };
    let mut operations: Vec<OperationSettings> = document.operations().iter().map(|_| usual()).collect();
    for (key, node) in entries {
        let Some(operation) = document.operation(&key.name) else {
            unknown_operation(&key.name, key.span, document, reading);
            continue;
        };
        if let Some(settings) = read_operation(node, operation, idempotency, reading) {
            operations[operation.index()] = settings;
        }
    }
    operations
}

fn read_operation(
    node: &Node,
    operation: &Operation,
    idempotency: Idempotency,
    reading: &mut ConfigReader<'_>,
) -> Option<OperationSettings> {
    let mut fields = Fields::of(node, reading.source, "an operation", reading.found)?;
    let credits = match fields.int("credits", reading.found).map(u64::try_from) {
        None => 0,
        Some(Ok(credits)) => credits,
        Some(Err(_)) => {
            reading.error(node.span, "number", "`credits` must not be negative", None);
            0
        }
    };
    let cost = positive(&mut fields, "cost", reading);
    let own_idempotency = fields.node("idempotency");
    let settings = OperationSettings {
        cost,
        credits,
        usage: fields.node("usage").map(|node| read_usage(node, credits, reading)).unwrap_or_default(),
        feature: fields.text("feature", reading.found),
        scope: fields.text("scope", reading.found),
        resource: fields.node("resource").and_then(|node| read_resource(node, operation, reading)),
        idempotency: own_idempotency.map_or(idempotency, |node| read_idempotency(node, idempotency, reading)),
        passes_credits: fields.boolean("passes_credits", reading.found).unwrap_or(false),
        anonymous: fields.boolean("anonymous", reading.found).unwrap_or(false),
        max_content: read_bytes(&mut fields, "max_content", reading),
        timeout: read_duration(&mut fields, "timeout", reading),
        path_characters: read_path_characters(&mut fields, reading),
    };
    let needs_key = settings.feature.is_some() || settings.scope.is_some() || settings.resource.is_some();
    if settings.anonymous && (needs_key || settings.credits > 0) {
        let message = "an anonymous operation has no key to check, and no account to charge";
        reading.error(node.span, "anonymous", message, "leave out `anonymous`, or all the rest".to_owned());
    }
    if let Some(node) = own_idempotency.filter(|_| settings.anonymous) {
        let message =
            "`idempotency` has no effect: an anonymous operation has no account to keep responses for";
        reading.error(node.span, "anonymous", message, "leave out `idempotency`".to_owned());
    }
    fields.finish(reading.found);
    Some(settings)
}

/// A name that the operation does not have would never be found in a request, and so never be checked.
fn read_resource(
    node: &Node,
    operation: &Operation,
    reading: &mut ConfigReader<'_>,
) -> Option<ResourceTemplate> {
    let text = node.scalar_text()?;
    let mut template = ResourceTemplate { texts: Vec::new(), parameters: Vec::new() };
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            reading.error(node.span, "template", "a brace stands alone", None);
            return None;
        };
        template.texts.push(before.to_owned());
        template.parameters.push(resource_parameter(name, node.span, operation, reading)?);
        rest = after;
    }
    template.texts.push(rest.to_owned());
    Some(template)
}

fn resource_parameter(
    name: &str,
    span: Span,
    operation: &Operation,
    reading: &mut ConfigReader<'_>,
) -> Option<ResourceParameter> {
    let declared = |location| operation.requires(location, name).map(|required| (location, required));
    if let Some((location, required)) = declared(Location::Path).or_else(|| declared(Location::Query)) {
        return Some(ResourceParameter {
            name: name.to_owned(),
            in_path: location == Location::Path,
            required,
        });
    }
    let known: Vec<&str> =
        operation.parameters(Location::Path).chain(operation.parameters(Location::Query)).collect();
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(known) => format!("did you mean `{{{known}}}`?"),
        None => format!("it has: {}", known.join(", ")),
    };
    let message = format!("`{}` has no path or query parameter `{name}`", operation.id());
    reading.error(span, "unknown-parameter", message, help);
    None
}

fn read_rule(
    node: &Node,
    document: &ApiDocument,
    contracts: &[&Contract],
    reading: &mut ConfigReader<'_>,
) -> Option<RuleSettings> {
    let mut fields = Fields::of(node, reading.source, "a rule", reading.found)?;
    let name = required(&mut fields, "name", reading);
    let mut operations = Vec::new();
    for (id, span) in fields.texts("on", reading.found) {
        match document.operation(&id) {
            Some(operation) => operations.push(operation.index()),
            None => unknown_operation(&id, span, document, reading),
        }
    }
    let is_meant = |operation: &&Operation| operations.is_empty() || operations.contains(&operation.index());
    let declarations = Declarations::of(document.operations().iter().filter(is_meant));
    let require = required(&mut fields, "require", reading).and_then(|(text, span)| {
        Expression::compile_condition(&text, &declarations, reading.source, span, reading.found)
    });
    let raise = required(&mut fields, "raise", reading)
        .and_then(|(name, span)| named_error(name, span, contracts, reading));
    let on_failure = fields
        .node("on_failure")
        .and_then(|node| named_error(node.scalar_text().unwrap_or_default(), node.span, contracts, reading));
    let mut with = Vec::new();
    for (key, node) in fields.map("with", reading.found) {
        let text = node.scalar_text().unwrap_or_default();
        let value = Expression::compile(&text, &declarations, reading.source, node.span, reading.found);
        with.extend(value.map(|value| (key.name.clone(), value)));
    }
    fields.finish(reading.found);
    Some(RuleSettings { name: name?.0, operations, require: require?, raise: raise?, on_failure, with })
}

/// An error that every generation has.
fn named_error(
    name: String,
    span: Span,
    contracts: &[&Contract],
    reading: &mut ConfigReader<'_>,
) -> Option<String> {
    let contract = contracts.iter().find(|contract| contract.named(&name).is_none());
    let Some(contract) = contract else { return Some(name) };
    let help = match did_you_mean(&name, contract.own_conditions()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("declare it under `errors:` of the contract `{}`", contract.name()),
    };
    reading.error(span, "unknown-error", format!("the contract has no error `{name}`"), help);
    None
}
