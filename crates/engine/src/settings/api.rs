//! One API: its mount, contract, document, operations and rules. The upstream belongs to the gateway.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::AddressFilter;
use demur_contract::{Contract, Location};
use demur_validation::{ApiDocument, Expression, Operation, PathCharacters};

use super::ReservedNames;
use super::authentication::Authentication;
use super::contract_version::ContractVersion;
use super::cors::Cors;
use super::headers::HeaderSettings;
use super::idempotency::Idempotency;
use super::metering::Metering;
use super::overload::Overload;
use super::traceparent::TraceParent;
use super::upstream_errors::UpstreamErrors;
use super::validation::{RequestValidation, ValidationSettings};
use super::websocket::WebSocket;
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
    pub versions: Vec<ContractVersion>,
    /// What it takes.
    pub document: ApiDocument,
    /// Who may ask.
    pub authentication: Authentication,
    /// What its operations ask for, by their index in the document.
    pub operations: Vec<OperationSettings>,
    /// The client addresses from which it may be called.
    pub addresses: AddressFilter,
    /// Rules beyond the document.
    pub rules: Vec<RuleSettings>,
    /// The most content that is taken, in bytes.
    pub max_body_bytes: u64,
    /// Whether it is only watched: everything is decided and recorded, and nothing is refused for it.
    pub monitor: bool,
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
    /// The longest wait for which a response advises a retry.
    pub max_retry_wait: Duration,
    /// Whether the upstream can be known to have no healthy endpoint. Only the answer matrix reads it.
    pub knows_health: bool,
    /// What becomes of the upstream's error responses.
    pub upstream_errors: UpstreamErrors,
    /// Headers that are set and removed.
    pub headers: HeaderSettings,
    /// Whether responses say in `Server-Timing` how long the upstream took.
    pub server_timing: bool,
    /// What the upstream gets where a client sends no valid `traceparent`.
    pub traceparent: TraceParent,
}

/// Clients sleep for as long as a response advises, and people wait for a minute at most.
pub const DEFAULT_MAX_RETRY_WAIT: Duration = Duration::from_secs(60);

/// One mebibyte, as servers on the open internet commonly take.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1 << 20;

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
    pub forward_balance: bool,
    /// Whether it may be called without a key.
    pub anonymous: bool,
    /// The most content that it takes; the API's where there is none.
    pub max_body_bytes: Option<u64>,
    /// How long its upstream may take; the API's own time-out where there is none.
    pub timeout: Option<Duration>,
    /// Characters that its path may contain beside those that all paths of the API may.
    pub path_characters: PathCharacters,
    /// Whether its requests are validated; `None` as for the whole API.
    pub validation: Option<RequestValidation>,
    /// What becomes of its upstream's error responses; as the API has it where there is nothing.
    pub upstream_errors: Option<UpstreamErrors>,
    /// Headers that are set and removed, after those of the API.
    pub headers: HeaderSettings,
    /// How it serves WebSocket; not at all where there is none.
    pub websocket: Option<WebSocket>,
}

/// A resource's name with parameters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate {
    /// Text and parameters in turn, beginning with text.
    pub(crate) texts: Vec<String>,
    pub(crate) parameters: Vec<ResourceParameter>,
}

impl ResourceTemplate {
    /// Reads a template. A parameter that the operation does not declare is an error: it would never be found in a
    /// request, and so never be checked.
    pub fn parse(text: &str, operation: &Operation) -> Result<Self, ResourceTemplateError> {
        let mut template = ResourceTemplate { texts: Vec::new(), parameters: Vec::new() };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(ResourceTemplateError::UnmatchedBrace)?;
            template.texts.push(before.to_owned());
            template.parameters.push(ResourceParameter::declared(name, operation)?);
            rest = after;
        }
        template.texts.push(rest.to_owned());
        Ok(template)
    }
}

/// Why a text is not a [`ResourceTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceTemplateError {
    /// A `{` has no `}`.
    UnmatchedBrace,
    /// The operation has no path or query parameter of this name.
    UnknownParameter(String),
}

impl fmt::Display for ResourceTemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnmatchedBrace => f.write_str("unmatched `{`"),
            Self::UnknownParameter(name) => write!(f, "no path or query parameter `{name}`"),
        }
    }
}

impl std::error::Error for ResourceTemplateError {}

/// A parameter in a resource's name, as the operation declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceParameter {
    pub(crate) name: String,
    pub(crate) in_path: bool,
    pub(crate) required: bool,
}

impl ResourceParameter {
    fn declared(name: &str, operation: &Operation) -> Result<Self, ResourceTemplateError> {
        let declared = |location| operation.requires(location, name).map(|required| (location, required));
        match declared(Location::Path).or_else(|| declared(Location::Query)) {
            Some((location, required)) => {
                Ok(Self { name: name.to_owned(), in_path: location == Location::Path, required })
            }
            None => Err(ResourceTemplateError::UnknownParameter(name.to_owned())),
        }
    }
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
    /// An API with the defaults of the configuration file: mounted at the root of any host, without rules, and with
    /// operations that need a valid key and nothing else.
    pub fn new(
        name: impl Into<String>,
        contract: Arc<Contract>,
        document: ApiDocument,
        authentication: Authentication,
    ) -> Self {
        let operations = document.operations().iter().map(|_| OperationSettings::default()).collect();
        Self {
            name: name.into(),
            mount: Mount::default(),
            contract,
            versions: Vec::new(),
            document,
            authentication,
            operations,
            addresses: AddressFilter::default(),
            rules: Vec::new(),
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            monitor: false,
            validation: ValidationSettings::default(),
            cors: None,
            overload: Overload::default(),
            path_characters: PathCharacters::NONE,
            reserved_headers: ReservedNames::default(),
            event_stream_errors: EventStreamErrors::default(),
            max_retry_wait: DEFAULT_MAX_RETRY_WAIT,
            knows_health: false,
            upstream_errors: UpstreamErrors::default(),
            headers: HeaderSettings::default(),
            server_timing: false,
            traceparent: TraceParent::default(),
        }
    }

    /// Every contract that it answers in, the usual one first.
    pub fn contracts(&self) -> impl Iterator<Item = &Arc<Contract>> {
        std::iter::once(&self.contract).chain(self.versions.iter().map(|generation| &generation.contract))
    }

    /// Whether a request's host decides what becomes of it.
    pub(crate) fn asks_for_host(&self) -> bool {
        self.mount.host.is_some()
            || self.versions.iter().any(|generation| generation.condition.host.is_some())
    }
}
