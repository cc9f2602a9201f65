//! Reserves the credits of one request. With an `Idempotency-Key` the operation is claimed, whether it costs credits or
//! not. In monitor mode nothing is reserved, and what would have been is recorded.

use std::time::Duration;

use bytes::Bytes;
use demur_admission::{
    Admission, Balance, Charge, Claim, Claimed, Denial, Fingerprint, Hold, MaybeFuture, OperationId, Owner,
    Principal, RepeatPolicy, StoredResponse,
};
use demur_contract::{Condition, Location};
use demur_validation::Operation;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::record::Check;
use crate::redact::hashed_name;
use crate::reject::rejection::Rejection;
use crate::request::checks::IDEMPOTENCY_KEY;
use crate::request::context::RequestContext;
use crate::request::credential::{in_headers, secret_of};
use crate::settings::{ApiSettings, IdempotencyMode, OperationSettings};

/// The lease of a hold if the operation has no timeout of its own.
const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// The ledger's result.
pub(crate) enum ReserveOutcome {
    /// The operation costs nothing, and the balance is not forwarded.
    Nothing,
    /// Credits were to be held.
    Held(Result<Hold, Denial>),
    /// The operation was to be claimed by its idempotency key.
    Claimed(Result<Claimed, Denial>),
    /// In monitor mode: it would cost so many credits.
    Monitored(u64, Result<Balance, Denial>),
    /// The operation costs nothing, and the balance is forwarded.
    Balance(Result<Balance, Denial>),
}

/// What a request has reserved.
pub(crate) enum Reservation {
    /// It is forwarded with this hold, and with the balance if there is one.
    Hold(Hold, Option<Balance>),
    /// It was executed before, and this was its response.
    Replay(StoredResponse),
}

/// The request that credits are reserved for.
#[derive(Clone, Copy)]
pub(crate) struct ReserveRequest<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) operation: &'a Operation,
    pub(crate) settings: &'a OperationSettings,
    /// Within the API.
    pub(crate) path: &'a str,
    /// Without the API key.
    pub(crate) query: Option<&'a str>,
}

/// Whether the request has an `Idempotency-Key` that takes effect. Its body is then part of the operation's identity.
pub(crate) fn is_named(context: &RequestContext, settings: &OperationSettings, parts: &Parts) -> bool {
    parts.headers.contains_key(IDEMPOTENCY_KEY)
        && settings.idempotency.mode != IdempotencyMode::Off
        && context.principal().is_some_and(|principal| principal.has_stored_account())
        && !context.is_monitor_mode()
}

/// Asks the ledger for a hold, a claim or the balance.
pub(crate) fn reserve(
    admission: &Admission,
    context: &mut RequestContext,
    request: &ReserveRequest<'_>,
    body: impl FnOnce() -> Bytes,
) -> Result<MaybeFuture<ReserveOutcome>, Rejection> {
    let settings = request.settings;
    let (credits, now) = (settings.credits, context.now);
    let is_named = is_named(context, settings, request.parts);
    if context.principal().is_some_and(|principal| !principal.has_stored_account()) {
        return Ok(MaybeFuture::Ready(without_ledger(context, request)));
    }
    if credits == 0 && !settings.forward_balance && !is_named {
        return Ok(MaybeFuture::Ready(ReserveOutcome::Nothing));
    }
    let Some(principal) = context.principal().cloned() else {
        return Ok(MaybeFuture::Ready(ReserveOutcome::Nothing));
    };
    let principal = &*principal;
    if is_named {
        return Ok(claim(admission, context, principal, request, &body())?.map(ReserveOutcome::Claimed));
    }
    if credits > 0 && context.is_monitor_mode() {
        context.record.add_note(format!("would have cost {credits} credits"));
        return Ok(admission
            .balance(principal, now)
            .map(move |balance| ReserveOutcome::Monitored(credits, balance)));
    }
    if credits > 0 {
        return Ok(hold(admission, context, principal, settings)?.map(ReserveOutcome::Held));
    }
    Ok(admission.balance(principal, now).map(ReserveOutcome::Balance))
}

/// An account that no store has, as of a token, has no credits, and its operations cannot be remembered.
fn without_ledger(context: &mut RequestContext, request: &ReserveRequest<'_>) -> ReserveOutcome {
    let settings = request.settings;
    if request.parts.headers.contains_key(IDEMPOTENCY_KEY)
        && settings.idempotency.mode != IdempotencyMode::Off
    {
        context
            .record
            .add_note("the account is not in the store: the idempotency key has no effect".to_owned());
    }
    match settings.credits {
        0 => ReserveOutcome::Nothing,
        needed => {
            ReserveOutcome::Held(Err(Denial::CreditsExhausted { needed, available: 0, resets_at: None }))
        }
    }
}

/// Applies the ledger's result to the request.
pub(crate) fn apply_reservation(
    context: &mut RequestContext,
    settings: &OperationSettings,
    outcome: ReserveOutcome,
) -> Result<Reservation, Rejection> {
    let (hold, balance) = match outcome {
        ReserveOutcome::Nothing => (Hold::nothing(), None),
        ReserveOutcome::Held(held) => {
            let hold =
                context.enforce(Check::Credits, held.map_err(Rejection::from))?.unwrap_or_else(Hold::nothing);
            let balance = hold.balance().copied();
            (hold, balance)
        }
        ReserveOutcome::Claimed(claimed) => match claimed? {
            Claimed::Replay(response) => return Ok(Reservation::Replay(response)),
            Claimed::First(hold) | Claimed::Repeat(hold) => {
                let is_forwarded = settings.credits > 0 || settings.forward_balance;
                let balance = hold.balance().copied().filter(|_| is_forwarded);
                (hold, balance)
            }
        },
        ReserveOutcome::Monitored(needed, Ok(balance)) => {
            let Balance { available, resets_at, .. } = balance;
            if available < needed {
                let denial = Denial::CreditsExhausted { needed, available, resets_at };
                context.record_would_reject(Check::Credits, &denial.into());
            }
            (Hold::nothing(), Some(balance))
        }
        ReserveOutcome::Monitored(_, Err(denial)) => {
            context.record_would_reject(Check::Credits, &denial.into());
            (Hold::nothing(), None)
        }
        ReserveOutcome::Balance(balance) => {
            (Hold::nothing(), context.enforce(Check::Credits, balance.map_err(Rejection::from))?)
        }
    };
    Ok(Reservation::Hold(hold, balance))
}

/// Holds the credits of an operation without an idempotency key.
fn hold(
    admission: &Admission,
    context: &RequestContext,
    principal: &Principal,
    settings: &OperationSettings,
) -> Result<MaybeFuture<Result<Hold, Denial>>, Rejection> {
    let operation = context.request_id().parse::<OperationId>().map_err(|_| {
        Rejection::from(Condition::Internal).with_cause("request ID is not a valid operation ID")
    })?;
    let lease = settings.timeout.unwrap_or(DEFAULT_LEASE);
    let charge = Charge { operation: &operation, amount: settings.credits, lease };
    Ok(admission.hold(principal, &charge, context.now))
}

/// Claims the operation that the `Idempotency-Key` names: it is executed once and charged once.
fn claim(
    admission: &Admission,
    context: &RequestContext,
    principal: &Principal,
    request: &ReserveRequest<'_>,
    body: &[u8],
) -> Result<MaybeFuture<Result<Claimed, Denial>>, Rejection> {
    let key = request.parts.headers.get(IDEMPOTENCY_KEY);
    let operation = key
        .and_then(|key| named(context, &request.parts.headers, key))
        .ok_or_else(|| Rejection::from(Condition::RequestMalformed).with_cause("Idempotency-Key is empty"))?;
    let settings = request.settings;
    let repeats = match settings.idempotency.mode {
        IdempotencyMode::Upstream(most) => RepeatPolicy::Forward(most),
        IdempotencyMode::Replay | IdempotencyMode::Off => RepeatPolicy::Replay,
    };
    let lease = settings.timeout.unwrap_or(DEFAULT_LEASE);
    let charge = Charge { operation: &operation, amount: settings.credits, lease };
    let claim = Claim {
        fingerprint: fingerprint(context, principal, request, body),
        owner: Owner::this_process(),
        ttl: settings.idempotency.ttl,
        repeats,
    };
    Ok(admission.claim(principal, &charge, &claim, context.now))
}

/// The operation that an `Idempotency-Key` names; `None` if it is empty. The name is stored and shown in statements, so a
/// value that contains an API key, or that is not a valid name, is replaced by its hash.
fn named(context: &RequestContext, headers: &HeaderMap, key: &HeaderValue) -> Option<OperationId> {
    if key.is_empty() {
        return None;
    }
    let authentication = context.api().map(|api| &api.settings.authentication);
    let in_headers = authentication.into_iter().flat_map(|from| in_headers(headers, from));
    let presented: Vec<&str> = context.credentials.iter().filter_map(secret_of).chain(in_headers).collect();
    let plain = key.to_str().ok().map(|text| context.engine().redactor().stored_name(text, &presented));
    let name = plain.and_then(|name| name.parse().ok());
    name.or_else(|| hashed_name(key.as_bytes()).parse().ok())
}

/// What identifies a request: account, operation, target, body, and the headers that decide how it is executed. These are
/// the headers that the document declares, those that select a contract version, and HTTP's own that describe the body or
/// select a part or state of the resource.
fn fingerprint(
    context: &RequestContext,
    principal: &Principal,
    request: &ReserveRequest<'_>,
    body: &[u8],
) -> Fingerprint {
    const IDENTIFYING: [HeaderName; 8] = [
        CONTENT_TYPE,
        CONTENT_ENCODING,
        RANGE,
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ];
    let ReserveRequest { parts, operation, path, query, .. } = *request;
    let Some(api) = context.api() else { return Fingerprint::of(&[body]) };
    let environment = api.settings.authentication.prefixes.environment(&principal.key().prefix);
    let mut of: Vec<&[u8]> = vec![
        api.name().as_bytes(),
        operation.id().as_bytes(),
        environment.unwrap_or_default().as_bytes(),
        parts.method.as_str().as_bytes(),
        path.as_bytes(),
        if query.is_some() { b"?" } else { b"" },
        query.unwrap_or_default().as_bytes(),
    ];
    let id_header = context.responder().id_header();
    let mut names: Vec<HeaderName> = IDENTIFYING.to_vec();
    let declared = operation.parameters(Location::Header).filter_map(|name| name.parse().ok());
    names.extend(
        declared.chain(versions(&api.settings)).filter(|name| is_identifying(name, id_header, &api.settings)),
    );
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    for name in &names {
        let before = of.len();
        of.extend(parts.headers.get_all(name).iter().map(HeaderValue::as_bytes));
        // Names and numbers of the values count too.
        if of.len() > before {
            of.insert(before, name.as_str().as_bytes());
            of.insert(before, b":");
        }
    }
    of.extend([b"".as_slice(), body]);
    Fingerprint::of(&of)
}

/// The headers that select a contract version.
fn versions(settings: &ApiSettings) -> impl Iterator<Item = HeaderName> + '_ {
    settings
        .versions
        .iter()
        .filter_map(|generation| generation.condition.header.as_ref())
        .map(|(name, _)| name.clone())
}

/// Whether a header is part of a request's identity. Another key of the account may repeat the request, and each attempt
/// has its own ID and trace.
fn is_identifying(name: &HeaderName, id_header: &HeaderName, settings: &ApiSettings) -> bool {
    const PER_ATTEMPT: [&str; 5] =
        ["authorization", "baggage", "idempotency-key", "traceparent", "tracestate"];
    !PER_ATTEMPT.contains(&name.as_str())
        && name != id_header
        && settings.authentication.fields().all(|header| header != name)
}
