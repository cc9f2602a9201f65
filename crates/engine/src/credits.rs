//! Credits of one request: held where they are charged, and only told of where the API is watched. With an
//! `Idempotency-Key` the operation is claimed, whether it costs credits or not.

use std::time::Duration;

use bytes::Bytes;
use demur_admission::{
    Admission, Answer, Balance, Charge, Claim, Claimed, Denial, Fingerprint, Hold, OperationId, Owner,
    Principal, Repeats, StoredResponse,
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
use crate::refused::Refused;
use crate::secrets::hashed_name;
use crate::settings::{ApiSettings, IdempotencyMode, OperationSettings};

/// How long a request takes at most where its operation does not say.
const LEASE: Duration = Duration::from_secs(30);

/// What the ledger said.
pub(crate) enum Booked {
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
pub(crate) enum Reserved {
    /// It may pass with this hold, and its upstream is told the balance where there is one.
    Hold(Hold, Option<Balance>),
    /// It has been executed, and this was the response.
    Replay(StoredResponse),
}

/// A request, as far as it is known what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
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
        && !exchange.observes()
}

/// Asks the ledger for what the operation needs of it.
pub(crate) fn book(
    admission: &Admission,
    exchange: &mut Exchange,
    asked: &Asked<'_>,
    content: impl FnOnce() -> Bytes,
) -> Result<Answer<Booked>, Refused> {
    let settings = asked.settings;
    let (credits, now) = (settings.credits, exchange.now);
    let is_named = is_named(exchange, settings, asked.parts);
    if credits == 0 && !settings.passes_credits && !is_named {
        return Ok(Answer::Ready(Booked::Nothing));
    }
    let Some(principal) = exchange.principal.clone() else { return Ok(Answer::Ready(Booked::Nothing)) };
    let principal = &*principal;
    if is_named {
        return Ok(claim(admission, exchange, principal, asked, &content())?.map(Booked::Claimed));
    }
    if credits > 0 && exchange.observes() {
        // Who is only watched charges nobody: whoever calls pays already, or not at all.
        exchange.remarks.push(format!("would have cost {credits} credits"));
        return Ok(admission.balance(principal, now).map(move |balance| Booked::Watched(credits, balance)));
    }
    if credits > 0 {
        return Ok(hold(admission, exchange, principal, settings)?.map(Booked::Held));
    }
    Ok(admission.balance(principal, now).map(Booked::Told))
}

/// What the ledger's answer means for the request.
pub(crate) fn booked(
    exchange: &mut Exchange,
    settings: &OperationSettings,
    booked: Booked,
) -> Result<Reserved, Refused> {
    let (hold, balance) = match booked {
        Booked::Nothing => (Hold::nothing(), None),
        Booked::Held(held) => {
            let hold = exchange.decided(held.map_err(Refused::from))?.unwrap_or_else(Hold::nothing);
            let balance = hold.balance().copied();
            (hold, balance)
        }
        Booked::Claimed(claimed) => match claimed? {
            Claimed::Replay(response) => return Ok(Reserved::Replay(response)),
            Claimed::First(hold) | Claimed::Repeat(hold) => {
                let is_told = settings.credits > 0 || settings.passes_credits;
                let balance = hold.balance().copied().filter(|_| is_told);
                (hold, balance)
            }
        },
        Booked::Watched(needed, Ok(balance)) => {
            let Balance { available, resets_at, .. } = balance;
            if available < needed {
                exchange.observe(&Denial::CreditsExhausted { needed, available, resets_at }.into());
            }
            (Hold::nothing(), Some(balance))
        }
        Booked::Watched(_, Err(denial)) => {
            exchange.observe(&denial.into());
            (Hold::nothing(), None)
        }
        Booked::Told(balance) => (Hold::nothing(), exchange.decided(balance.map_err(Refused::from))?),
    };
    Ok(Reserved::Hold(hold, balance))
}

/// What nobody has named is charged for itself.
fn hold(
    admission: &Admission,
    exchange: &Exchange,
    principal: &Principal,
    settings: &OperationSettings,
) -> Result<Answer<Result<Hold, Denial>>, Refused> {
    let operation = exchange
        .request_id()
        .parse::<OperationId>()
        .map_err(|_| Refused::from(Condition::Internal).because("the request id is no operation id"))?;
    let lease = settings.timeout.unwrap_or(LEASE);
    let charge = Charge { operation: &operation, amount: settings.credits, lease };
    Ok(admission.hold(principal, &charge, exchange.now))
}

/// One operation of an account is executed once, and charged once, by the client's `Idempotency-Key`.
fn claim(
    admission: &Admission,
    exchange: &Exchange,
    principal: &Principal,
    asked: &Asked<'_>,
    content: &[u8],
) -> Result<Answer<Result<Claimed, Denial>>, Refused> {
    let key = asked.parts.headers.get(IDEMPOTENCY_KEY);
    let operation = key
        .and_then(|key| named(exchange, &asked.parts.headers, key))
        .ok_or_else(|| Refused::from(Condition::RequestMalformed).because("Idempotency-Key is empty"))?;
    let settings = asked.settings;
    let repeats = match settings.idempotency.mode {
        IdempotencyMode::Upstream(most) => Repeats::Forward(most),
        IdempotencyMode::Replay | IdempotencyMode::Off => Repeats::Replay,
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
fn fingerprint(exchange: &Exchange, principal: &Principal, asked: &Asked<'_>, content: &[u8]) -> Fingerprint {
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
    let Asked { parts, operation, path, query, .. } = *asked;
    let Some(api) = exchange.api() else { return Fingerprint::of(&[content]) };
    let environment = api.settings.authentication.prefixes.environment(&principal.key().hint);
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
