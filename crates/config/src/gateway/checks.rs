//! Checks across plans and APIs: what can never be reached, satisfied or counted.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::SystemTime;

use demur_admission::Plan;
use demur_engine::LARGEST_BODY_PART;
use demur_engine::settings::{KeySource, OperationSettings};
use demur_gateway::{ApiConfig, KeySetEndpoint, KeySetUrlError, UpstreamTlsError};
use demur_source::{Key, Node, Span};

use super::limits::MIN_BODY_MEMORY;
use crate::reader::{ConfigReader, suggestion};

/// Two APIs with one name or one mount.
pub(super) fn check_duplicate(
    api: &ApiConfig,
    apis: &[ApiConfig],
    span: Span,
    reader: &mut ConfigReader<'_>,
) {
    let settings = &api.settings;
    for other in apis.iter().map(|other| &other.settings) {
        if other.name == settings.name {
            let message = format!("there are two APIs named `{}`", settings.name);
            reader.error(span, "duplicate-api", message, None);
        }
        if other.mount == settings.mount {
            let message = format!("`{}` and `{}` have the same mount", other.name, settings.name);
            let help = "give them different `mount: { path: … }` or `mount: { host: … }`".to_owned();
            reader.error(span, "duplicate-mount", message, help);
        }
    }
}

/// The key set of an API's tokens must have an address that a gateway can use.
pub(super) fn check_key_set(api: &ApiConfig, node: &Node, reader: &mut ConfigReader<'_>) {
    let Some(tokens) = &api.settings.authentication.tokens else { return };
    let KeySource::Url(source) = &tokens.source else { return };
    let Err(error) = KeySetEndpoint::load(source, SystemTime::now()) else { return };
    let keys = ["authentication", "tokens", "keys"].iter().try_fold(node, |node, name| node.get(name));
    let key = if matches!(error, KeySetUrlError::Tls(_)) { "roots" } else { "url" };
    let place = keys.and_then(|keys| keys.get(key).or(Some(keys)));
    let help = match &error {
        KeySetUrlError::Tls(UpstreamTlsError::Roots(error)) => error.help().to_owned(),
        KeySetUrlError::Tls(_) => {
            "install the package `ca-certificates`, or name a file with `roots`".to_owned()
        }
        _ => "write `https://host/path`".to_owned(),
    };
    reader.error(place.map_or(node.span, |node| node.span), "token-keys", error.to_string(), help);
}

/// A feature that no plan has is most likely misspelt: no one could ever call the operation.
pub(super) fn check_features(api: &ApiConfig, plans: &[Plan], node: &Node, reader: &mut ConfigReader<'_>) {
    let known: Vec<&str> = plans.iter().flat_map(|plan| plan.features.iter().map(String::as_str)).collect();
    for operation in api.settings.document.operations() {
        let policy = api.settings.operations.get(operation.index());
        let Some(feature) = policy.and_then(|policy| policy.feature.as_deref()) else { continue };
        if known.contains(&feature) {
            continue;
        }
        let place =
            ["operations", operation.id(), "feature"].iter().try_fold(node, |node, name| node.get(name));
        let message = format!("no plan has the feature `{feature}`");
        reader.warning(
            place.map_or(node.span, |node| node.span),
            "unknown-feature",
            message,
            suggestion(feature, &known),
        );
    }
}

/// An operation that costs more than a limit ever allows at once is always rejected.
pub(super) fn check_costs(api: &ApiConfig, plans: &[Plan], node: &Node, reader: &mut ConfigReader<'_>) {
    for operation in api.settings.document.operations() {
        let Some(policy) = api.settings.operations.get(operation.index()) else { continue };
        let Some(cost) = policy.cost.map(NonZeroU32::get) else { continue };
        let id = operation.id();
        let cost_node = ["operations", id, "cost"].iter().try_fold(node, |node, name| node.get(name));
        let span = cost_node.map_or(node.span, |node| node.span);
        let mut never = |limit: String, bound: &str| {
            let message = format!("`{id}` costs {cost}, and can never pass {limit}");
            reader.warning(span, "cost", message, format!("lower `cost`, or raise {bound}"));
        };
        for plan in plans.iter().filter(|plan| may_call(plan, policy)) {
            let name = &plan.name;
            let rates = plan.rates.iter().filter(|rate| !rate.shadow && rate.concerns(Some(id)));
            for rate in rates.filter(|rate| cost > rate.burst.get()) {
                let (rate, burst) = (&rate.name, rate.burst);
                never(
                    format!("the rate `{rate}` of the plan `{name}`, which allows {burst} at once"),
                    "the rate's `burst`",
                );
            }
            if let Some(quota) = plan.quota.as_ref().filter(|it| !it.shadow && u64::from(cost) > it.requests)
            {
                let allowed = quota.requests;
                never(
                    format!("the quota of the plan `{name}`, which allows {allowed} a day"),
                    "the quota's `requests`",
                );
            }
        }
    }
}

/// Whether an account on the plan gets as far as the limits.
fn may_call(plan: &Plan, policy: &OperationSettings) -> bool {
    plan.active && policy.feature.as_ref().is_none_or(|feature| plan.features.contains(feature))
}

/// One client can use a part of the memory for buffered bodies. A larger body is always rejected as `overloaded`.
pub(super) fn check_body_memory(
    memory: usize,
    apis: &[ApiConfig],
    root: &Node,
    reader: &mut ConfigReader<'_>,
) {
    let largest = apis.iter().map(|api| &api.settings).flat_map(|settings| {
        let operations = settings.document.operations().iter().filter(|operation| operation.takes_body());
        operations.map(|operation| {
            let own = settings.operations.get(operation.index()).and_then(|own| own.max_body_bytes);
            (own.unwrap_or(settings.max_body_bytes), operation.id())
        })
    });
    let Some((largest, operation)) = largest.max() else { return };
    let needed = largest.saturating_mul(LARGEST_BODY_PART);
    // Less than the minimum has been reported already.
    if needed > memory as u64 && memory >= MIN_BODY_MEMORY {
        let limits = root.get("limits");
        let node = limits.and_then(|limits| limits.get("max_body_memory")).or(limits).unwrap_or(root);
        let message = format!(
            "`max_body_memory` is too small: `{operation}` accepts bodies of {largest} bytes, and one client can use {} \
             of {memory}",
            memory as u64 / LARGEST_BODY_PART
        );
        let help = format!("set `limits.max_body_memory` to at least {needed}, or lower `max_body_bytes`");
        reader.warning(node.span, "body-memory", message, help);
    }
}

/// A rate for operations that no document has counts nothing.
pub(super) fn check_rates(plans: &[(Key, Node)], apis: &[ApiConfig], reader: &mut ConfigReader<'_>) {
    let documents = apis.iter().map(|api| &api.settings.document);
    let known: BTreeSet<&str> =
        documents.flat_map(|document| document.operations().iter().map(|operation| operation.id())).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let rates =
        plans.iter().flat_map(|(_, plan)| plan.get("rates").and_then(Node::as_seq).unwrap_or_default());
    let named = rates.flat_map(|rate| rate.get("operations").and_then(Node::as_seq).unwrap_or_default());
    for node in named {
        let Some(name) = node.as_str().filter(|name| !known.contains(name)) else { continue };
        let message = format!("no document has the operation `{name}`, so the rate never counts it");
        reader.warning(node.span, "unknown-operation", message, suggestion(name, &known));
    }
}
