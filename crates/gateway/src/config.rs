//! `demur.yaml`: the whole file, read once into resolved types, every mistake reported at once.
//!
//! What it says of plans and APIs the engine reads; listeners, bounds and upstreams are read here. Nothing
//! is opened or started.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use demur_admission::{CacheConfig, Plan};
use demur_contract::Contract;
use demur_engine::LARGEST_BODY_PART;
use demur_engine::settings::{
    ApiSettings, ConfigReader, OperationSettings, read_api, read_duration, read_plan,
};
use demur_source::{Diagnostics, Fields, Key, Node, Source, Span};

use crate::access_log::{LogSettings, read_log};
use crate::cache::read_cache;
use crate::http1::DEFAULT_MAX_HEADERS;
use crate::limits::{LEAST_BODY_MEMORY, ListenerLimits, read_bounds, read_count};
use crate::trusted_proxies::{TrustedProxies, read_proxies};

/// A configuration file, resolved.
#[derive(Debug)]
pub struct Config {
    /// Where requests come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where accounts, keys and credits are kept.
    pub store: StoreUrl,
    /// The contract in which a request is refused before its API is known.
    pub voice: Arc<Contract>,
    /// How many threads serve; one per core where there is none.
    pub workers: Option<NonZeroUsize>,
    /// What connections and requests may cost.
    pub bounds: ListenerLimits,
    /// How many keys are remembered, and for how long.
    pub cache: CacheConfig,
    /// Who may say for whom it speaks.
    pub proxies: Arc<TrustedProxies>,
    /// What is written down of each request.
    pub access_log: LogSettings,
    /// The plans.
    pub plans: Vec<Plan>,
    /// The APIs.
    pub apis: Vec<ApiConfig>,
}

/// An address at which requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What it is called, where there are several.
    pub name: Option<Arc<str>>,
    /// Where it is.
    pub address: SocketAddr,
}

/// An API and where it is.
#[derive(Debug)]
pub struct ApiConfig {
    /// What the engine serves.
    pub settings: ApiSettings,
    /// What stands behind it.
    pub upstream: Upstream,
}

/// The service behind an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host and port, as connections are made to it.
    pub address: String,
    /// The `Host` field that it gets.
    pub authority: http::uri::Authority,
    /// Put in front of every path.
    pub path: String,
    /// For a connection.
    pub connect_timeout: Duration,
    /// From the request to the head of the answer, and between two pieces of its content.
    pub timeout: Duration,
    /// Fields that an answer may have.
    pub fields: usize,
}

/// A store, by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl Config {
    /// Reads a file that is in memory; relative paths in it are relative to `folder`.
    pub fn load(source: &Arc<Source>, folder: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        let (root, mut found) = demur_source::parse_lossy(source)?;
        let config = read(&root, &mut ConfigReader::new(source, folder, &mut found));
        match config {
            Some(config) if !found.has_errors() => Ok((config, found.sorted())),
            _ => Err(found.sorted()),
        }
    }
}

/// More threads than any machine has cores for.
const MAX_WORKERS: usize = 1024;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

fn read(root: &Node, reading: &mut ConfigReader<'_>) -> Option<Config> {
    let mut fields = Fields::of(root, reading.source, "the configuration", reading.found)?;
    match fields.node("demur").map(|node| (node.scalar_text(), node.span)) {
        Some((Some(version), _)) if version == "1" => {}
        Some((_, span)) => {
            reading.error(
                span,
                "version",
                "this version of the file is not known",
                "write `demur: 1`".to_owned(),
            );
        }
        None => reading.error(
            fields.span(),
            "missing-key",
            "the file has no version",
            "begin with `demur: 1`".to_owned(),
        ),
    }
    let listeners = fields
        .node("listen")
        .map(|node| read_listeners(node, reading))
        .unwrap_or_else(|| vec![Listener { name: None, address: DEFAULT_LISTEN }]);
    let names = listeners.iter().filter_map(|listener| listener.name.as_deref());
    reading.listeners = Some(names.map(str::to_owned).collect());
    let store = read_store(&mut fields, reading);
    let voice = fields.node("voice").map(|node| (node.scalar_text().unwrap_or_default(), node.span));
    let (voice, span) = voice.unwrap_or_else(|| ("problem".to_owned(), Span::default()));
    let voice = reading.contract(&voice, span);
    let workers = read_count(&mut fields, "workers", reading);
    if workers.is_some_and(|workers| workers.get() > MAX_WORKERS) {
        let message = format!("more than {MAX_WORKERS} threads serve nobody better");
        reading.error(fields.span(), "number", message, "leave `workers` out: one per core".to_owned());
    }
    let access_log = fields.node("access_log").map(|node| read_log(node, reading)).unwrap_or_default();
    let proxies = fields.node("proxies").map(|node| read_proxies(node, reading)).unwrap_or_default();
    let bounds = fields.node("bounds").map(|node| read_bounds(node, reading)).unwrap_or_default();
    let cache = fields.node("cache").map(|node| read_cache(node, reading)).unwrap_or_default();

    let mut plans: Vec<Plan> = Vec::new();
    let plan_nodes = fields.map("plans", reading.found);
    for (key, node) in plan_nodes {
        plans.extend(read_plan(key, node, reading));
    }
    let mut apis: Vec<ApiConfig> = Vec::new();
    let items = fields.list("apis", reading.found);
    if items.is_empty() && fields.node("apis").is_none() {
        fields.missing("apis", reading.found);
    }
    for node in items {
        if let Some(api) = read_one_api(node, reading) {
            refuse_twin(&api, &apis, node.span, reading);
            check_features(&api, &plans, node, reading);
            check_costs(&api, &plans, node, reading);
            apis.push(api);
        }
    }
    // An API that could not be read may have had them.
    if apis.len() == items.len() {
        check_rates(plan_nodes, &apis, reading);
    }
    check_body_memory(bounds.body_memory, &apis, root, reading);
    fields.finish(reading.found);
    Some(Config {
        listeners,
        store: store?,
        voice: voice?,
        workers,
        bounds,
        cache,
        proxies: proxies.into(),
        access_log,
        plans,
        apis,
    })
}

/// An address, or addresses by names. What cannot be read is left out, and a mistake.
fn read_listeners(node: &Node, reading: &mut ConfigReader<'_>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let named = node.as_map().map(|entries| entries.iter().map(|(key, node)| (Some(key), node)).collect());
    let named: Vec<(Option<&Key>, &Node)> = named.unwrap_or_else(|| vec![(None, node)]);
    if named.is_empty() {
        reading.error(
            node.span,
            "address",
            "`listen` names no address",
            "leave it out, or name one".to_owned(),
        );
    }
    for (key, node) in named {
        let Some(address) = node.scalar_text().and_then(|text| text.parse::<SocketAddr>().ok()) else {
            let help = "write an IP address and a port, `127.0.0.1:8080`: names are not resolved".to_owned();
            reading.error(node.span, "address", "`listen` is no address", help);
            continue;
        };
        if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
            reading.error(node.span, "address", format!("`{address}` is named twice"), None);
        }
        listeners.push(Listener { name: key.map(|key| key.name.as_str().into()), address });
    }
    listeners
}

fn read_store(fields: &mut Fields<'_>, reading: &mut ConfigReader<'_>) -> Option<StoreUrl> {
    let Some(node) = fields.node("store") else {
        return Some(StoreUrl::Sqlite(reading.folder.join("demur.db")));
    };
    let text = node.scalar_text().unwrap_or_default();
    match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            Some(StoreUrl::Sqlite(reading.folder.join(path.strip_prefix("//").unwrap_or(path))))
        }
        _ => {
            let help = "write `sqlite:demur.db`, a path relative to this file".to_owned();
            reading.error(node.span, "store", format!("`{text}` is no store that is known"), help);
            None
        }
    }
}

fn read_one_api(node: &Node, reading: &mut ConfigReader<'_>) -> Option<ApiConfig> {
    let mut fields = Fields::of(node, reading.source, "an API", reading.found)?;
    let upstream = match fields.node("upstream") {
        Some(node) => read_upstream(node, reading),
        None => {
            fields.missing("upstream", reading.found);
            None
        }
    };
    let settings = read_api(&mut fields, reading);
    fields.finish(reading.found);
    Some(ApiConfig { settings: settings?, upstream: upstream? })
}

fn read_upstream(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Upstream> {
    let source = reading.source;
    let as_url = node.as_str().map(str::to_owned);
    let mut connect_timeout = Duration::from_secs(2);
    let mut timeout = Duration::from_secs(30);
    let mut most_fields = DEFAULT_MAX_HEADERS;
    let url = match as_url {
        Some(url) => Some(url),
        None => {
            let mut fields = Fields::of(node, source, "`upstream`", reading.found)?;
            let url = fields.text("url", reading.found);
            if url.is_none() {
                fields.missing("url", reading.found);
            }
            for (name, into) in [("connect_timeout", &mut connect_timeout), ("timeout", &mut timeout)] {
                if let Some(time) = read_duration(&mut fields, name, reading) {
                    *into = time;
                }
            }
            if let Some(count) = read_count(&mut fields, "fields", reading) {
                most_fields = count.get();
            }
            fields.finish(reading.found);
            url
        }
    }?;
    let at = node.get("url").map_or(node.span, |node| node.span);
    let parsed: Option<http::Uri> = url.parse().ok();
    let authority = parsed.as_ref().and_then(|uri| uri.authority().cloned());
    let (Some(parsed), Some(authority)) = (parsed, authority) else {
        reading.error(at, "url", format!("`{url}` is no URL"), "write `http://host:port`".to_owned());
        return None;
    };
    if authority.as_str().contains('@') || parsed.query().is_some() {
        let help =
            "a password in a URL ends up in logs; what the upstream needs, its own settings say".to_owned();
        reading.error(at, "url", "an upstream's URL has a host, a port and a path, and nothing else", help);
        return None;
    }
    if parsed.scheme_str() != Some("http") {
        let help = "put a TLS client in front of it, or use its plain port".to_owned();
        reading.error(at, "url", "upstreams are spoken to in plain HTTP only", help);
        return None;
    }
    let port = match authority.as_str().strip_prefix(authority.host()) {
        None | Some("") => Some(80),
        Some(port) => {
            port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0)
        }
    };
    let Some(port) = port else {
        reading.error(at, "url", "a port goes from 1 to 65535", None);
        return None;
    };
    let address = format!("{}:{port}", authority.host());
    if let Some(reason) = forbidden_address(authority.host()) {
        reading.error(at, "upstream-address", format!("`{}` {reason}", authority.host()), None);
        return None;
    }
    let path = parsed.path().trim_end_matches('/').to_owned();
    Some(Upstream { address, authority, path, connect_timeout, timeout, fields: most_fields })
}

/// Link-local addresses lead to the metadata services of clouds, where credentials lie.
fn forbidden_address(host: &str) -> Option<&'static str> {
    let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
        // A name is looked at when it is resolved. What ends in a number is no name, but an address in one of
        // the forms that resolvers still take: decimal, octal, hexadecimal, or with fewer than four parts.
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_number = last.strip_prefix("0x").unwrap_or(last).bytes().all(|byte| byte.is_ascii_hexdigit())
            && last.starts_with(|first: char| first.is_ascii_digit());
        return is_number.then_some("is neither a name nor an address in its usual form");
    };
    is_link_local(address).then_some("is a link-local address, where metadata services are")
}

/// Whether an address is link-local, however it is written.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0) == 0xfe80,
    }
}

fn refuse_twin(api: &ApiConfig, apis: &[ApiConfig], span: Span, reading: &mut ConfigReader<'_>) {
    let settings = &api.settings;
    for other in apis.iter().map(|other| &other.settings) {
        if other.name == settings.name {
            reading.error(
                span,
                "duplicate-api",
                format!("there are two APIs called `{}`", settings.name),
                None,
            );
        }
        if other.mount == settings.mount {
            let message = format!("`{}` and `{}` are mounted at the same place", other.name, settings.name);
            let help = "part them by `at: { path: … }` or `at: { host: … }`".to_owned();
            reading.error(span, "duplicate-mount", message, help);
        }
    }
}

/// A feature that no plan has is most likely misspelt: nobody could ever call the operation.
fn check_features(api: &ApiConfig, plans: &[Plan], node: &Node, reading: &mut ConfigReader<'_>) {
    let known: Vec<&str> = plans.iter().flat_map(|plan| plan.features.iter().map(String::as_str)).collect();
    let features = api.settings.operations.iter().filter_map(|operation| operation.feature.as_deref());
    for feature in features.filter(|feature| !known.contains(feature)) {
        let help = demur_source::did_you_mean(feature, known.iter().copied())
            .map(|known| format!("did you mean `{known}`?"));
        let span = node.get("operations").map_or(node.span, |node| node.span);
        reading.found.warning(
            reading.source,
            span,
            "unknown-feature",
            format!("no plan has the feature `{feature}`"),
            help,
        );
    }
}

/// An operation that counts for more than a limit ever lets pass at once is refused for ever, whoever waits.
fn check_costs(api: &ApiConfig, plans: &[Plan], node: &Node, reading: &mut ConfigReader<'_>) {
    for operation in api.settings.document.operations() {
        let Some(asked) = api.settings.operations.get(operation.index()) else { continue };
        let Some(cost) = asked.cost.map(NonZeroU32::get) else { continue };
        let id = operation.id();
        let cost_node = ["operations", id, "cost"].iter().try_fold(node, |node, name| node.get(name));
        let span = cost_node.map_or(node.span, |node| node.span);
        let mut never = |limit: String, mend: String| {
            let message = format!("`{id}` counts for {cost}, and can never pass {limit}");
            reading.found.warning(
                reading.source,
                span,
                "cost",
                message,
                format!("lower `cost`, or raise {mend}"),
            );
        };
        for plan in plans.iter().filter(|plan| may_call(plan, asked)) {
            let name = &plan.name;
            let rates = plan.rates.iter().filter(|rate| !rate.shadow && rate.concerns(Some(id)));
            for rate in rates.filter(|rate| cost > rate.burst.get()) {
                let (rate, burst) = (&rate.name, rate.burst);
                let limit =
                    format!("the rate `{rate}` of the plan `{name}`, which lets {burst} pass at once");
                never(limit, "the rate's `burst`".to_owned());
            }
            if let Some(quota) = plan.quota.as_ref().filter(|it| !it.shadow && u64::from(cost) > it.requests)
            {
                let limit = format!("the quota of the plan `{name}`, which is {} a day", quota.requests);
                never(limit, "the quota's `requests`".to_owned());
            }
        }
    }
}

/// Whether an account on the plan gets as far as the limits.
fn may_call(plan: &Plan, asked: &OperationSettings) -> bool {
    plan.active && asked.feature.as_ref().is_none_or(|feature| plan.features.contains(feature))
}

/// A client alone gets a part of the memory for collected bodies. A body that is larger than that is `overloaded`
/// whenever it comes.
fn check_body_memory(memory: usize, apis: &[ApiConfig], root: &Node, reading: &mut ConfigReader<'_>) {
    let largest = apis.iter().map(|api| &api.settings).flat_map(|settings| {
        let operations = settings.document.operations().iter().filter(|operation| operation.takes_body());
        operations.map(|operation| {
            let own = settings.operations.get(operation.index()).and_then(|own| own.max_content);
            (own.unwrap_or(settings.max_content), operation.id())
        })
    });
    let Some((largest, operation)) = largest.max() else { return };
    let needed = largest.saturating_mul(LARGEST_BODY_PART);
    // Of less than the least it has been said already.
    if needed > memory as u64 && memory >= LEAST_BODY_MEMORY {
        let bounds = root.get("bounds");
        let node = bounds.and_then(|bounds| bounds.get("body_memory")).or(bounds).unwrap_or(root);
        let message = format!(
            "`body_memory` is too small: `{operation}` takes bodies of {largest} bytes, and a client gets no more than \
             {} of {memory}",
            memory as u64 / LARGEST_BODY_PART
        );
        let help = format!("set `bounds.body_memory` to at least {needed}, or lower `max_content`");
        reading.found.warning(reading.source, node.span, "body-memory", message, help);
    }
}

/// A rate for operations that no document has would count nothing, and nobody would notice.
fn check_rates(plans: &[(Key, Node)], apis: &[ApiConfig], reading: &mut ConfigReader<'_>) {
    let documents = apis.iter().map(|api| &api.settings.document);
    let known: BTreeSet<&str> =
        documents.flat_map(|document| document.operations().iter().map(|operation| operation.id())).collect();
    let rates =
        plans.iter().flat_map(|(_, plan)| plan.get("rates").and_then(Node::as_seq).unwrap_or_default());
    let named = rates.flat_map(|rate| rate.get("operations").and_then(Node::as_seq).unwrap_or_default());
    for node in named {
        let Some(name) = node.as_str().filter(|name| !known.contains(name)) else { continue };
        let help = demur_source::did_you_mean(name, known.iter().copied())
            .map(|known| format!("did you mean `{known}`?"));
        let message = format!("no document has the operation `{name}`, so the rate never counts for it");
        reading.found.warning(reading.source, node.span, "unknown-operation", message, help);
    }
}
