//! Credits of one request: held where they are charged, and only told of where the API is watched.

use bytes::Bytes;
use demur_admission::{
    Admission, Answer, Balance, Charge, Denial, Fingerprint, Hold, OperationId, Principal, Repeats,
};
use demur_contract::Condition;
use http::request::Parts;

use crate::checks::IDEMPOTENCY_KEY;
use crate::exchange::Exchange;
use crate::refused::Refused;

/// Who is only watched charges nobody: whoever calls pays already, or not at all. What it would have cost is
/// told, and whether there would have been enough.
pub(crate) async fn would_charge(
    admission: &Admission,
    exchange: &mut Exchange<'_>,
    principal: &Principal,
    credits: u64,
) -> Option<Balance> {
    exchange.remarks.push(format!("would have cost {credits} credits"));
    match wait!(admission.balance(principal, exchange.now)) {
        Ok(balance) => {
            let Balance { available, resets_at, .. } = balance;
            if available < credits {
                let denial = Denial::CreditsExhausted { needed: credits, available, resets_at };
                exchange.observe(&denial.into());
            }
            Some(balance)
        }
        Err(denial) => {
            exchange.observe(&denial.into());
            None
        }
    }
}

/// One operation of an account is charged once: by the client's `Idempotency-Key`, else by this request.
pub(crate) async fn hold(
    admission: &Admission,
    exchange: &mut Exchange<'_>,
    principal: &Principal,
    (parts, path, query, content): (&Parts, &str, Option<&str>, Bytes),
    credits: u64,
) -> Result<Hold, Refused> {
    let now = exchange.now;
    let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else {
        let operation = exchange
            .request_id_text()
            .parse::<OperationId>()
            .map_err(|_| Refused::from(Condition::Internal).because("the request id is no operation id"))?;
        let charge = Charge { operation: &operation, repeats: Repeats::Never, amount: credits };
        return Ok(wait!(admission.hold(principal, &charge, now))?);
    };
    let operation = key.to_str().ok().and_then(|key| key.parse().ok()).ok_or_else(|| {
        Refused::from(Condition::RequestMalformed)
            .because("Idempotency-Key has more than 128 bytes, or other than visible ASCII")
    })?;
    let api = exchange.api.map_or("", |api| api.name());
    let fingerprint = Fingerprint::of(&[
        api.as_bytes(),
        parts.method.as_str().as_bytes(),
        path.as_bytes(),
        query.unwrap_or_default().as_bytes(),
        &content,
    ]);
    let charge = Charge { operation: &operation, repeats: Repeats::As(fingerprint), amount: credits };
    Ok(wait!(admission.hold(principal, &charge, now))?)
}
