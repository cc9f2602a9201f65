//! Credits of one request: held where they are charged, and only told of where the API is watched. With an
//! `Idempotency-Key` the operation is claimed, whether it costs credits or not.

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

use crate::checks::IDEMPOTENCY_KEY;
use crate::credential::{in_fields, secret_of};
use crate::exchange::Exchange;
use crate::redact::hashed_name;
use crate::rejection::Rejection;
use crate::settings::{ApiSettings, IdempotencyMode, OperationSettings};

/// How long a request takes at most where its operation does not say.
const LEASE: Duration = Duration::from_secs(30);

/// What the ledger said.
pub(crate) enum ReserveOutcome {
    /// The operation costs nothing, and its upstream is not told the balance.
    Nothing,
    /// It costs something, and that was to be held.
    Held(Result<Hold, Denial>),
    /// The client has named the operation, and that was to be claimed.
    Claimed(Result<Claimed, Denial>),
    /// It would cost so many credits, of an API that is only watched.
    Watched(u64, Result<Balance, Denial>),
    /// It costs nothing, and its upstream is told the balance.
    Told(Result<Balance, Denial>),
}

/// What a request gets of the ledger.
pub(crate) enum Reservation {
    /// It may pass with this hold, and its upstream is told the balance where there is one.
    Hold(Hold, Option<Balance>),
    /// It has been executed, and this was the response.
    Replay(StoredResponse),
}

/// A request, as far as it is known what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct ReserveRequest<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) operation: &'a Operation,
    pub(crate) settings: &'a OperationSettings,
    /// Within the API.
    pub(crate) path: &'a str,
    /// Without the key.
    pub(crate) query: Option<&'a str>,
}

/// Whether a request has an `Idempotency-Key` that means something: then its content belongs to what it stands for.
pub(crate) fn is_named(exchange: &Exchange, settings: &OperationSettings, parts: &Parts) -> bool {
    parts.headers.contains_key(IDEMPOTENCY_KEY)
        && settings.idempotency.mode != IdempotencyMode::Off
        && exchange.principal.is_some()
        && !exchange.is_monitor_mode()
}

/// Asks the ledger for what the operation needs of it.
pub(crate) fn reserve(
    admission: &Admission,
    exchange: &mut Exchange,
    asked: &ReserveRequest<'_>,
    content: impl FnOnce() -> Bytes,
) -> Result<MaybeFuture<ReserveOutcome>, Rejection> {
    let settings = asked.settings;
    let (credits, now) = (settings.credits, exchange.now);
    let is_named = is_named(exchange, settings, asked.parts);
    if credits == 0 && !settings.passes_credits && !is_named {
        return Ok(MaybeFuture::Ready(ReserveOutcome::Nothing));
    }
    let Some(principal) = exchange.principal.clone() else {
        return Ok(MaybeFuture::Ready(ReserveOutcome::Nothing));
    };
    let principal = &*principal;
    if is_named {
        return Ok(claim(admission, exchange, principal, asked, &content())?.map(ReserveOutcome::Claimed));
    }
    if credits > 0 && exchange.is_monitor_mode() {
        // Who is only watched charges nobody: whoever calls pays already, or not at all.
        exchange.remarks.push(format!("would have cost {credits} credits"));
        return Ok(admission
            .balance(principal, now)
            .map(move |balance| ReserveOutcome::Watched(credits, balance)));
    }
    if credits > 0 {
        return Ok(hold(admission, exchange, principal, settings)?.map(ReserveOutcome::Held));
    }
    Ok(admission.balance(principal, now).map(ReserveOutcome::Told))
}

/// What the ledger's answer means for the request.
pub(crate) fn apply_reservation(
    exchange: &mut Exchange,
    settings: &OperationSettings,
    booked: ReserveOutcome,
) -> Result<Reservation, Rejection> {
    let (hold, balance) = match booked {
        ReserveOutcome::Nothing => (Hold::nothing(), None),
        ReserveOutcome::Held(held) => {
            let hold = exchange.enforce(held.map_err(Rejection::from))?.unwrap_or_else(Hold::nothing);
            let balance = hold.balance().copied();
            (hold, balance)
        }
        ReserveOutcome::Claimed(claimed) => match claimed? {
            Claimed::Replay(response) => return Ok(Reservation::Replay(response)),
            Claimed::First(hold) | Claimed::Repeat(hold) => {
                let is_told = settings.credits > 0 || settings.passes_credits;
                let balance = hold.balance().copied().filter(|_| is_told);
                (hold, balance)
            }
        },
        ReserveOutcome::Watched(needed, Ok(balance)) => {
            let Balance { available, resets_at, .. } = balance;
            if available < needed {
                exchange
                    .record_would_reject(&Denial::CreditsExhausted { needed, available, resets_at }.into());
            }
            (Hold::nothing(), Some(balance))
        }
        ReserveOutcome::Watched(_, Err(denial)) => {
            exchange.record_would_reject(&denial.into());
            (Hold::nothing(), None)
        }
        ReserveOutcome::Told(balance) => {
            (Hold::nothing(), exchange.enforce(balance.map_err(Rejection::from))?)
        }
    };
    Ok(Reservation::Hold(hold, balance))
}

/// What nobody has named is charged for itself.
fn hold(
    admission: &Admission,
    exchange: &Exchange,
    principal: &Principal,
    settings: &OperationSettings,
) -> Result<MaybeFuture<Result<Hold, Denial>>, Rejection> {
    let operation = exchange
        .request_id()
        .parse::<OperationId>()
        .map_err(|_| Rejection::from(Condition::Internal).with_cause("the request id is no operation id"))?;
    let lease = settings.timeout.unwrap_or(LEASE);
    let charge = Charge { operation: &operation, amount: settings.credits, lease };
    Ok(admission.hold(principal, &charge, exchange.now))
}

/// One operation of an account is executed once, and charged once, by the client's `Idempotency-Key`.
fn claim(
    admission: &Admission,
    exchange: &Exchange,
    principal: &Principal,
    asked: &ReserveRequest<'_>,
    content: &[u8],
) -> Result<MaybeFuture<Result<Claimed, Denial>>, Rejection> {
    let key = asked.parts.headers.get(IDEMPOTENCY_KEY);
    let operation = key
        .and_then(|key| named(exchange, &asked.parts.headers, key))
        .ok_or_else(|| Rejection::from(Condition::RequestMalformed).with_cause("Idempotency-Key is empty"))?;
    let settings = asked.settings;
    let repeats = match settings.idempotency.mode {
        IdempotencyMode::Upstream(most) => RepeatPolicy::Forward(most),
        IdempotencyMode::Replay | IdempotencyMode::Off => RepeatPolicy::Replay,
    };
    let lease = settings.timeout.unwrap_or(LEASE);
    let charge = Charge { operation: &operation, amount: settings.credits, lease };
    let claim = Claim {
        fingerprint: fingerprint(exchange, principal, asked, content),
        owner: Owner::this_process(),
        ttl: settings.idempotency.ttl,
        repeats,
    };
    Ok(admission.claim(principal, &charge, &claim, exchange.now))
}

/// The operation that an `Idempotency-Key` names; `None` where it is empty. The name is stored and shown in statements,
/// so of a value that holds an API key, or that cannot be a name, only a hash is.
fn named(exchange: &Exchange, headers: &HeaderMap, key: &HeaderValue) -> Option<OperationId> {
    if key.is_empty() {
        return None;
    }
    let authentication = exchange.api().map(|api| &api.settings.authentication);
    let in_fields = authentication.into_iter().flat_map(|ways| in_fields(headers, ways));
    let presented: Vec<&str> = exchange.presented.iter().filter_map(secret_of).chain(in_fields).collect();
    let plain = key.to_str().ok().map(|text| exchange.engine().secrets().stored_name(text, &presented));
    let name = plain.and_then(|name| name.parse().ok());
    name.or_else(|| hashed_name(key.as_bytes()).parse().ok())
}

/// What makes a request the same one: for whom and what it asks, what decides how it is executed, and its content. Of
/// the headers those that the document declares, those that pick a contract version, and those of HTTP that say what the
/// content is and which part or state of a resource is meant.
fn fingerprint(
    exchange: &Exchange,
    principal: &Principal,
    asked: &ReserveRequest<'_>,
    content: &[u8],
) -> Fingerprint {
    const MEANT: [HeaderName; 8] = [
        CONTENT_TYPE,
        CONTENT_ENCODING,
        RANGE,
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ];
    let ReserveRequest { parts, operation, path, query, .. } = *asked;
    let Some(api) = exchange.api() else { return Fingerprint::of(&[content]) };
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
    let id_field = exchange.speaker().id_field();
    let mut names: Vec<HeaderName> = MEANT.to_vec();
    let declared = operation.parameters(Location::Header).filter_map(|name| name.parse().ok());
    names.extend(
        declared.chain(versions(&api.settings)).filter(|name| is_meant(name, id_field, &api.settings)),
    );
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    for name in &names {
        let before = of.len();
        of.extend(parts.headers.get_all(name).iter().map(HeaderValue::as_bytes));
        // Which header a value is of, and how many there are, counts too.
        if of.len() > before {
            of.insert(before, name.as_str().as_bytes());
            of.insert(before, b":");
        }
    }
    of.extend([b"".as_slice(), content]);
    Fingerprint::of(&of)
}

/// The headers that pick a contract version.
fn versions(settings: &ApiSettings) -> impl Iterator<Item = HeaderName> + '_ {
    settings
        .generations
        .iter()
        .filter_map(|generation| generation.when.header.as_ref())
        .map(|(name, _)| name.clone())
}

/// Whether a header says what is asked for. Another key of the account may send the request again, and each attempt has
/// an ID and a trace of its own.
fn is_meant(name: &HeaderName, id_field: &HeaderName, settings: &ApiSettings) -> bool {
    const OF_THE_ATTEMPT: [&str; 5] =
        ["authorization", "baggage", "idempotency-key", "traceparent", "tracestate"];
    !OF_THE_ATTEMPT.contains(&name.as_str())
        && name != id_field
        && settings.authentication.fields().all(|field| field != name)
}
