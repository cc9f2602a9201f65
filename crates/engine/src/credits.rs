//! Credits of one request: held where they are charged, and only told of where the API is watched.

use bytes::Bytes;
use demur_admission::{
    Admission, Answer, Balance, Charge, Denial, Fingerprint, Hold, OperationId, Principal, Repeats,
};
use demur_contract::Condition;
use http::request::Parts;

use crate::checks::IDEMPOTENCY_KEY;
use crate::credential::{in_fields, secret_of};
use crate::exchange::Exchange;
use crate::refused::Refused;
use crate::settings::OperationSettings;

/// What the ledger said.
pub(crate) enum Booked {
    /// The operation costs nothing, and its upstream is not told the balance.
    Nothing,
    /// It costs something, and that was to be held.
    Held(Result<Hold, Denial>),
    /// It would cost so many credits, of an API that is only watched.
    Watched(u64, Result<Balance, Denial>),
    /// It costs nothing, and its upstream is told the balance.
    Told(Result<Balance, Denial>),
}

/// Asks the ledger for what the operation needs of it.
pub(crate) fn book(
    admission: &Admission,
    exchange: &mut Exchange,
    asks: &OperationSettings,
    asked: (&Parts, &str, Option<&str>, Bytes),
) -> Result<Answer<Booked>, Refused> {
    let (credits, now) = (asks.credits, exchange.now);
    if credits == 0 && !asks.passes_credits {
        return Ok(Answer::Ready(Booked::Nothing));
    }
    let Some(principal) = exchange.principal.clone() else { return Ok(Answer::Ready(Booked::Nothing)) };
    let principal = &*principal;
    if credits > 0 && exchange.observes() {
        // Who is only watched charges nobody: whoever calls pays already, or not at all.
        exchange.remarks.push(format!("would have cost {credits} credits"));
        return Ok(admission.balance(principal, now).map(move |balance| Booked::Watched(credits, balance)));
    }
    if credits > 0 {
        return Ok(hold(admission, exchange, principal, asked, credits)?.map(Booked::Held));
    }
    Ok(admission.balance(principal, now).map(Booked::Told))
}

/// What the ledger's answer means for the request.
pub(crate) fn booked(exchange: &mut Exchange, booked: Booked) -> Result<(Hold, Option<Balance>), Refused> {
    match booked {
        Booked::Nothing => Ok((Hold::nothing(), None)),
        Booked::Held(held) => {
            let hold = exchange.decided(held.map_err(Refused::from))?.unwrap_or_else(Hold::nothing);
            let balance = hold.balance().copied();
            Ok((hold, balance))
        }
        Booked::Watched(needed, Ok(balance)) => {
            let Balance { available, resets_at, .. } = balance;
            if available < needed {
                exchange.observe(&Denial::CreditsExhausted { needed, available, resets_at }.into());
            }
            Ok((Hold::nothing(), Some(balance)))
        }
        Booked::Watched(_, Err(denial)) => {
            exchange.observe(&denial.into());
            Ok((Hold::nothing(), None))
        }
        Booked::Told(balance) => Ok((Hold::nothing(), exchange.decided(balance.map_err(Refused::from))?)),
    }
}

/// One operation of an account is charged once: by the client's `Idempotency-Key`, else by this request.
fn hold(
    admission: &Admission,
    exchange: &mut Exchange,
    principal: &Principal,
    (parts, path, query, content): (&Parts, &str, Option<&str>, Bytes),
    credits: u64,
) -> Result<Answer<Result<Hold, Denial>>, Refused> {
    let now = exchange.now;
    let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else {
        let operation = exchange
            .request_id()
            .parse::<OperationId>()
            .map_err(|_| Refused::from(Condition::Internal).because("the request id is no operation id"))?;
        let charge = Charge { operation: &operation, repeats: Repeats::Never, amount: credits };
        return Ok(admission.hold(principal, &charge, now));
    };
    // The name is stored and shown in statements: of one that holds a key only a hash is.
    let authentication = exchange.api().map(|api| &api.settings.authentication);
    let in_fields = authentication.into_iter().flat_map(|ways| in_fields(&parts.headers, ways));
    let presented: Vec<&str> = exchange.presented.iter().filter_map(secret_of).chain(in_fields).collect();
    let name = key.to_str().ok().filter(|key| key.parse::<OperationId>().is_ok());
    let name = name.map(|key| exchange.engine().secrets().stored_name(key, &presented));
    let operation = name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Refused::from(Condition::RequestMalformed)
            .because("Idempotency-Key has more than 128 bytes, or other than visible ASCII")
    })?;
    let api = exchange.api().map_or("", |api| api.name());
    let fingerprint = Fingerprint::of(&[
        api.as_bytes(),
        parts.method.as_str().as_bytes(),
        path.as_bytes(),
        query.unwrap_or_default().as_bytes(),
        &content,
    ]);
    let charge = Charge { operation: &operation, repeats: Repeats::As(fingerprint), amount: credits };
    Ok(admission.hold(principal, &charge, now))
}
