//! Whether a condition can occur at an operation, and why.
//! Long because it has a decision for each condition, and little else.

use std::time::Duration;

use demur_admission::Plan;
use demur_contract::Condition;
use demur_engine::settings::{KeySource, Origins, Scheme, UsageSource};

use crate::model::{Cause, CauseKind};
use crate::operation::OperationView;

/// Whether a condition can occur.
pub(crate) enum Occurrence {
    /// For these causes; there is at least one.
    Possible(Vec<Cause>),
    /// It cannot, for this reason.
    Absent(String),
}

use Occurrence::{Absent, Possible};

fn possible(cause: Cause) -> Occurrence {
    Possible(vec![cause])
}

fn absent(reason: impl Into<String>) -> Occurrence {
    Absent(reason.into())
}

/// The causes, or the reason why there are none.
fn any(causes: Vec<Cause>, otherwise: &str) -> Occurrence {
    if causes.is_empty() { absent(otherwise) } else { Possible(causes) }
}

/// Whether one of the gateway's own conditions can occur at an operation, but for `param` and `upstream.refused`.
///
/// A condition without a row here can occur at every operation.
pub(crate) fn occurrence(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    use Condition as C;
    if condition == C::ClientGone {
        return absent("no response can be sent any more");
    }
    if view.api.monitor && !occurs_in_monitor_mode(condition) {
        return absent("the API is in monitor mode: the check is recorded, and nothing is rejected for it");
    }
    match condition {
        condition if condition.covered_by("credential.token") => token(condition, view),
        C::CredentialMissing
        | C::CredentialScheme
        | C::CredentialMalformed
        | C::CredentialUnknown
        | C::CredentialRevoked
        | C::CredentialExpired
        | C::CredentialThrottled => credential(condition, view),
        C::PermissionAddress if view.api.addresses.admits_all() => key_address(view),
        C::PermissionAddress => possible(
            Cause::new(CauseKind::Grant, "`addresses` does not allow the client's address")
                .named("addresses"),
        ),
        C::PermissionOperation => permission(view),
        C::PermissionResource => resource(view),
        C::PlanRequired => feature(view),
        C::PlanInactive => inactive(view),
        C::CreditsExhausted | C::CreditsHeld => credits(condition, view),
        C::RateExceeded | C::RateConcurrency | C::QuotaExceeded => limits(condition, view),
        C::RequestNotAcceptable if !view.api.validation.rejects_unacceptable => {
            absent("`validation.accept` is not set to reject such requests")
        }
        C::RequestUpgradeRequired | C::RequestUpgradeRejected | C::PermissionOrigin => {
            upgrade(condition, view)
        }
        C::RequestLengthRequired => absent("the gateway reads chunked bodies"),
        C::BodyInvalidJson if !view.takes_json() => absent("the operation takes no JSON body"),
        C::BodyInvalidJson | C::BodyTooDeep | C::BodyUnsupportedMediaType | C::BodyUnreadable => {
            body(condition, view)
        }
        C::BodyTooLarge => {
            let text = format!("the body has more than {} bytes", view.max_body_bytes());
            possible(Cause::new(CauseKind::Gateway, text).named("max_body_bytes"))
        }
        C::ResourceMethodNotAllowed => absent("the path has this method: it concerns other methods"),
        C::ResourceNotFound
        | C::ResourceExists
        | C::ResourceConflict
        | C::ResourceGone
        | C::PreconditionFailed => raised(condition.name(), view),
        C::IdempotencyMismatch | C::IdempotencyInFlight | C::IdempotencyCompleted => {
            idempotency(condition, view)
        }
        C::RuleFailed => {
            let rules = view.rules().filter(|rule| rule.on_failure.is_none());
            let causes = rules.map(|rule| {
                let text = format!("the rule `{}` cannot be evaluated", rule.name);
                Cause::new(CauseKind::Rule, text).named(&*rule.name)
            });
            any(causes.collect(), "no rule of the operation leaves its failures to the gateway")
        }
        C::UpstreamUnhealthy if !view.api.knows_health => {
            absent("the upstream has one endpoint, and neither health checks nor ejection")
        }
        C::UpstreamUnreachable
        | C::UpstreamUnhealthy
        | C::UpstreamUnavailable
        | C::UpstreamTimeout
        | C::UpstreamInvalidResponse
        | C::UpstreamFailed => upstream(condition, view),
        C::StoreUnavailableKeys
        | C::StoreUnavailableTokenKeys
        | C::StoreUnavailableLimits
        | C::StoreUnavailableCredits => store(condition, view),
        C::Overloaded => possible(Cause::new(
            CauseKind::Gateway,
            "the gateway or the upstream has more requests than it can serve",
        )),
        other => possible(Cause::new(CauseKind::Gateway, gateway_text(other))),
    }
}

/// In monitor mode only what cannot be forwarded is rejected.
fn occurs_in_monitor_mode(condition: Condition) -> bool {
    let roots = ["request", "upstream", "internal", "overloaded"];
    roots.iter().any(|root| condition.covered_by(root)) && condition != Condition::RequestNotAcceptable
}

fn gateway_text(condition: Condition) -> String {
    match condition {
        Condition::RequestMalformed => "the request is not valid HTTP, or servers could read it in two ways",
        Condition::RequestHeadTooLarge => {
            "the headers exceed `limits.max_header_bytes` or `limits.max_headers`"
        }
        Condition::RequestUriTooLong => "the request target exceeds `limits.max_uri_bytes`",
        Condition::RequestTimeout => "the headers or the body arrive too slowly",
        Condition::RequestExpectationFailed => "`Expect` has another value than `100-continue`",
        Condition::RequestMisdirected => "the host of the request is not valid",
        Condition::RequestNotImplemented => "the method or the transfer coding is not implemented",
        Condition::RequestVersionNotSupported => "the HTTP version is not supported",
        Condition::RequestNotAcceptable => "`Accept` allows none of the operation's media types",
        Condition::Internal => "the gateway has a defect",
        other => other.defaults().title,
    }
    .to_owned()
}

fn credential(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    let authentication = &view.api.authentication;
    let key = |text: &str| possible(Cause::new(CauseKind::Authentication, text));
    if !view.needs_key() {
        return match condition {
            Condition::CredentialMalformed => key("the query contains an API key"),
            _ => absent("the operation can be called without a key"),
        };
    }
    match condition {
        Condition::CredentialMissing => {
            let ways: Vec<String> = authentication
                .schemes()
                .map(|scheme| match scheme {
                    Scheme::Authorization(name) => format!("`Authorization: {name}`"),
                    Scheme::Field(name) => format!("`{name}`"),
                })
                .collect();
            let cause =
                Cause::new(CauseKind::Authentication, format!("the request has no {}", ways.join(" or ")));
            possible(cause.named(authentication.scheme.field().as_str()))
        }
        Condition::CredentialScheme => {
            let scheme = authentication.schemes().find_map(|scheme| match scheme {
                Scheme::Authorization(name) => Some(name),
                Scheme::Field(_) => None,
            });
            match scheme {
                Some(name) => {
                    let text = format!("`Authorization` has another scheme than `{name}`");
                    possible(Cause::new(CauseKind::Authentication, text).named(name))
                }
                None => absent("the key is sent in a header of its own, which has no scheme"),
            }
        }
        Condition::CredentialMalformed => key("the key does not have the form of a key of this API"),
        Condition::CredentialUnknown => key("the key does not exist"),
        Condition::CredentialRevoked => key("the key has been revoked or disabled"),
        Condition::CredentialExpired => key("the key has expired"),
        _ => {
            let (attempts, per) = authentication.failures;
            let text = format!("more than {attempts} attempts of one address failed in {}", seconds(per));
            possible(Cause::new(CauseKind::Authentication, text).named("failures"))
        }
    }
}

/// A token that is not accepted.
fn token(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    let Some(tokens) = &view.api.authentication.tokens else { return absent("the API takes no tokens") };
    if !view.needs_key() {
        return absent("the operation can be called without a token");
    }
    let policy = &tokens.policy;
    let either = |names: &[String]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(" or ")
    };
    let algorithms: Vec<String> = policy.algorithms.iter().map(ToString::to_string).collect();
    let text = match condition {
        Condition::CredentialTokenMalformed => "the token is not a signed JWT in the compact form".to_owned(),
        Condition::CredentialTokenAlgorithm => {
            format!("`alg` of the token is not {}, or does not fit its key", either(&algorithms))
        }
        Condition::CredentialTokenUnknownKey => {
            "the issuer's key set has no key with the token's `kid`".to_owned()
        }
        Condition::CredentialTokenSignature => "the token's signature is invalid".to_owned(),
        Condition::CredentialTokenIssuer => format!("`iss` of the token is not `{}`", policy.issuer),
        Condition::CredentialTokenAudience => {
            format!("`aud` of the token has no {}", either(&policy.audiences))
        }
        Condition::CredentialTokenExpired => "the token has expired".to_owned(),
        Condition::CredentialTokenNotYetValid => "`nbf` or `iat` of the token is in the future".to_owned(),
        Condition::CredentialTokenRevoked => "the account of the token was deleted".to_owned(),
        _ => format!(
            "a claim is missing or not accepted: `exp`, `{}`, or a required one",
            tokens.claims.account
        ),
    };
    possible(Cause::new(CauseKind::Authentication, text).named("token"))
}

/// Keys may be limited to addresses, tokens are not.
fn key_address(view: &OperationView<'_>) -> Occurrence {
    if !view.needs_key() {
        return absent("the API admits every address, and the operation can be called without a key");
    }
    possible(Cause::new(CauseKind::Grant, "the key is restricted to other addresses"))
}

fn permission(view: &OperationView<'_>) -> Occurrence {
    if !view.needs_key() {
        return absent("the operation can be called without a key");
    }
    let mut causes = Vec::new();
    if let Some(scope) = &view.policy.scope {
        let text = format!("the key lacks the scope `{scope}`");
        causes.push(Cause::new(CauseKind::Grant, text).named(scope));
    }
    causes.push(Cause::new(CauseKind::Grant, "the key is restricted to other operations"));
    Possible(causes)
}

fn resource(view: &OperationView<'_>) -> Occurrence {
    let mut causes = Vec::new();
    if view.needs_key() && view.policy.resource.is_some() {
        causes.push(Cause::new(CauseKind::Grant, "the key does not cover the resource"));
    }
    causes.extend(raised_cause(Condition::PermissionResource.name(), view));
    any(causes, "the operation names no resource")
}

/// What concerns a switch to another protocol.
fn upgrade(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    let Some(websocket) = &view.policy.websocket else {
        return match condition {
            Condition::RequestUpgradeRejected => possible(Cause::new(
                CauseKind::Gateway,
                "the request asks for another protocol, and the operation serves none",
            )),
            _ => absent("the operation does not serve WebSocket"),
        };
    };
    let text = match condition {
        Condition::RequestUpgradeRequired => "the version of a WebSocket handshake is not 13",
        Condition::RequestUpgradeRejected => {
            "the request asks for another protocol than WebSocket, or is no valid handshake"
        }
        _ if websocket.origins == Origins::Any => return absent("any site may connect"),
        _ => "a script of a site that is not in `websocket.origins` opens a WebSocket connection",
    };
    possible(Cause::new(CauseKind::Gateway, text).named("websocket"))
}

fn feature(view: &OperationView<'_>) -> Occurrence {
    let Some(feature) = &view.policy.feature else { return absent("the operation requires no feature") };
    let lacking = view.active().filter(|plan| !plan.features.contains(feature));
    let causes = lacking.map(|plan| {
        let text = format!("the plan `{}` lacks the feature `{feature}`", plan.name);
        Cause::new(CauseKind::Feature, text).named(feature)
    });
    any(causes.collect(), "every active plan has the feature")
}

fn inactive(view: &OperationView<'_>) -> Occurrence {
    if !view.needs_key() {
        return absent("the operation can be called without a key");
    }
    let mut causes: Vec<Cause> = view
        .plans
        .iter()
        .filter(|plan| !plan.active)
        .map(|plan| {
            let text = format!("the plan `{}` is not active", plan.name);
            Cause::new(CauseKind::Plan, text).named(&*plan.name)
        })
        .collect();
    causes.push(Cause::new(CauseKind::Plan, "the account has a plan that does not exist any more"));
    Possible(causes)
}

fn credits(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    if view.policy.credits == 0 || !view.needs_key() {
        return absent("the operation costs no credits");
    }
    let most = match view.policy.usage.source {
        UsageSource::Nobody => "",
        _ => "up to ",
    };
    let cost = format!("the operation costs {most}{}", counted(view.policy.credits, "credit"));
    let text = match condition {
        Condition::CreditsHeld => format!("{cost}, and other requests of the account hold them"),
        _ => format!("{cost}, and the account has fewer"),
    };
    possible(Cause::new(CauseKind::Credits, text).named("credits"))
}

fn limits(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    if !view.needs_key() {
        return absent("the operation can be called without a key, and limits apply to accounts");
    }
    let of_plan = |plan: &Plan, text: String, name: &str| {
        Cause::new(CauseKind::Limit, format!("the plan `{}` allows {text}", plan.name)).named(name)
    };
    match condition {
        Condition::RateExceeded => {
            let causes = view.rates().map(|(plan, rate)| {
                let count = counted(rate.requests.get().into(), "request");
                of_plan(plan, format!("{count} in {}", seconds(rate.per)), &rate.name)
            });
            any(causes.collect(), "no plan limits the rate of the operation")
        }
        Condition::RateConcurrency => {
            let limited =
                view.active().filter_map(|plan| Some((plan, plan.concurrency.filter(|it| !it.shadow)?)));
            let causes = limited.map(|(plan, limit)| {
                of_plan(
                    plan,
                    format!("{} at once", counted(limit.slots.get().into(), "request")),
                    "concurrency",
                )
            });
            any(causes.collect(), "no plan limits concurrent requests")
        }
        _ => {
            let limited =
                view.active().filter_map(|plan| Some((plan, plan.quota.as_ref().filter(|it| !it.shadow)?)));
            let causes = limited.map(|(plan, quota)| {
                of_plan(plan, format!("{} a day", counted(quota.requests, "request")), "quota")
            });
            any(causes.collect(), "no plan has a quota")
        }
    }
}

fn body(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    if !view.operation.takes_body() {
        return absent("the operation takes no body");
    }
    let text = match condition {
        Condition::BodyInvalidJson => "the body is missing or is not valid JSON".to_owned(),
        Condition::BodyTooDeep => "the body is nested too deeply".to_owned(),
        Condition::BodyUnreadable => "the body is not text, or a form is damaged".to_owned(),
        _ => {
            let media_types: Vec<String> =
                view.operation.media_types().map(|media_type| format!("`{media_type}`")).collect();
            format!("`Content-Type` is not {}, or the body is compressed", media_types.join(" or "))
        }
    };
    let cause = Cause::new(CauseKind::Schema, text);
    possible(cause.at(format!("{}/requestBody", view.operation.pointer())))
}

/// A condition that an upstream raises by name.
fn raised(name: &str, view: &OperationView<'_>) -> Occurrence {
    match raised_cause(name, view) {
        Some(cause) => possible(cause),
        None => absent("`x-demur-errors` of the operation does not list it"),
    }
}

pub(crate) fn raised_cause(name: &str, view: &OperationView<'_>) -> Option<Cause> {
    let Some(names) = &view.raised else {
        return Some(Cause::new(CauseKind::Upstream, format!("the upstream raises `{name}`")));
    };
    let position = names.iter().position(|known| *known == name)?;
    let cause = Cause::new(CauseKind::Declaration, format!("the operation raises `{name}`"));
    Some(cause.at(format!("{}/x-demur-errors/{position}", view.operation.pointer())))
}

fn idempotency(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    if !view.takes_idempotency_keys() {
        return absent("the operation takes no `Idempotency-Key`");
    }
    let text = match condition {
        Condition::IdempotencyMismatch => "the `Idempotency-Key` was used for another request",
        Condition::IdempotencyInFlight => "the first request with the `Idempotency-Key` is in progress",
        _ => "the first request with the `Idempotency-Key` has completed, and its response is not stored",
    };
    possible(Cause::new(CauseKind::Idempotency, text).named("idempotency-key"))
}

fn upstream(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    let text = match condition {
        Condition::UpstreamUnreachable => "no connection to the upstream can be made",
        Condition::UpstreamUnhealthy => "health checks or requests failed at all endpoints of the upstream",
        Condition::UpstreamUnavailable => "the upstream responds with 503",
        Condition::UpstreamTimeout => "the upstream does not respond in time",
        Condition::UpstreamInvalidResponse => "the upstream's response is not valid",
        _ => "the upstream responds with 5xx, or rejects the gateway's own credentials",
    };
    let mut causes = vec![Cause::new(CauseKind::Upstream, text)];
    for status in view.operation.response_statuses() {
        let is_own = match condition {
            Condition::UpstreamUnavailable => status == "503",
            Condition::UpstreamFailed => status.starts_with('5') && status != "503",
            _ => false,
        };
        if is_own {
            causes.push(declared(&status, view));
        }
    }
    Possible(causes)
}

/// A response that the document declares.
pub(crate) fn declared(status: &str, view: &OperationView<'_>) -> Cause {
    let cause = Cause::new(CauseKind::Declaration, format!("the document declares the response {status}"));
    cause.named(status).at(format!("{}/responses/{status}", view.operation.pointer()))
}

fn store(condition: Condition, view: &OperationView<'_>) -> Occurrence {
    let policy = view.policy;
    let (is_used, otherwise, text) = match condition {
        Condition::StoreUnavailableKeys => {
            (true, "", "the key is not cached, and the store of keys is not available")
        }
        Condition::StoreUnavailableTokenKeys => {
            let source = view.api.authentication.tokens.as_ref().map(|tokens| &tokens.source);
            let is_fetched = matches!(source, Some(KeySource::Url(_)));
            let otherwise =
                if source.is_some() { "the keys are in a file" } else { "the API takes no tokens" };
            (is_fetched, otherwise, "the issuer's key set was never fetched, or too long ago")
        }
        Condition::StoreUnavailableLimits => {
            let has_limits = view.active().any(|plan| plan.quota.is_some() || !plan.rates.is_empty());
            (has_limits, "no plan has a limit", "the store of limits is not available")
        }
        _ => {
            let is_used = policy.credits > 0 || policy.forward_balance || view.takes_idempotency_keys();
            (is_used, "the operation does not use the ledger", "the ledger is not available")
        }
    };
    if !view.needs_key() {
        return absent("the operation can be called without a key");
    }
    if is_used { possible(Cause::new(CauseKind::Store, text)) } else { absent(otherwise) }
}

/// `1 credit`, `2 credits`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A duration in seconds: `1 second`, `0.5 seconds`.
fn seconds(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (whole, 0) => counted(whole, "second"),
        _ => format!("{} seconds", duration.as_secs_f64()),
    }
}
