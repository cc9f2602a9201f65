//! A change: in the audit log before it is made, and made once for each `Idempotency-Key`.

use bytes::Bytes;
use demur_contract::Condition;
use http::header::HeaderName;
use http::{HeaderValue, Response};
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::context::AdminContext;
use crate::database::{Actor, Claim, Claimed, NewAudit, StoredReply};
use crate::error::Failure;
use crate::operation::{AdminOperation, Run};
use crate::request::AdminRequest;
use crate::response::{Done, json_response};

/// `true` in a response that was made for an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A change that is asked for.
pub(crate) struct Change<'c> {
    pub(crate) operation: &'c AdminOperation,
    pub(crate) actor: &'c Actor,
    pub(crate) request: &'c AdminRequest,
    /// Of the method, the target and the body.
    pub(crate) fingerprint: [u8; 32],
}

impl Change<'_> {
    /// Makes the change, or returns the response of the first request with the key.
    pub(crate) fn run(&self, context: &AdminContext) -> Result<Response<Bytes>, Failure> {
        let (Change { request, actor, .. }, now) = (self, Timestamp::now());
        let Run::Write { run, is_repeatable, .. } = self.operation.run else {
            return Err(Failure::Internal("a reading operation was run as a change".to_owned()));
        };
        let key = request.text("Idempotency-Key");
        let fingerprint = &self.fingerprint;
        let claim = key.map(|key| Claim { token: &actor.id, key, fingerprint, is_repeatable });
        if let Some(claim) = &claim {
            match context.database.claim(claim, now)? {
                Claimed::New => {}
                Claimed::Stored(reply) => return Ok(replay(reply)),
                Claimed::Mismatch => return Err(Failure::Condition(Condition::IdempotencyMismatch)),
                Claimed::InProgress => return Err(Failure::Condition(Condition::IdempotencyInFlight)),
                Claimed::OutcomeUnknown => return Err(Failure::IdempotencyOutcomeUnknown),
                Claimed::Exhausted => return Err(Failure::IdempotencyKeysExhausted),
            }
        }
        let result = self.audited(context, now, || run(&*context.host, request));
        if let Some(claim) = &claim {
            // A change that failed has changed nothing: a repetition runs again.
            let stored = match &result {
                Ok(done) => {
                    let reply = StoredReply { status: done.status, body: done.body.to_string() };
                    context.database.complete(claim, &reply)
                }
                Err(_) => context.database.release(claim),
            };
            if let Err(error) = stored {
                // A repetition is told that a request is in progress, and does not run.
                tracing::error!(request_id = request.id, %error, "admin response not stored");
            }
        }
        result.map(response)
    }

    /// Makes the change between the two writes of the audit log.
    fn audited(
        &self,
        context: &AdminContext,
        now: Timestamp,
        run: impl FnOnce() -> Result<Done, Failure>,
    ) -> Result<Done, Failure> {
        let number = context.database.record(&self.entry(None), now);
        let number = number.map_err(|error| Failure::AuditUnavailable(error.to_string()))?;
        let result = run();
        let (status, code) = match &result {
            Ok(done) => (done.status, None),
            Err(failure) => {
                let entry = failure.entry(&context.contract);
                (entry.status.as_u16(), entry.code.as_deref())
            }
        };
        if let Err(error) = context.database.finish(number, status, code) {
            tracing::error!(request_id = self.request.id, %error, "admin audit incomplete");
        }
        result
    }

    /// Records that the role was not sufficient.
    pub(crate) fn record_rejection(&self, context: &AdminContext, failure: &Failure) {
        let entry = failure.entry(&context.contract);
        let outcome = Some((entry.status.as_u16(), entry.code.as_deref()));
        if let Err(error) = context.database.record(&self.entry(outcome), Timestamp::now()) {
            tracing::error!(request_id = self.request.id, %error, "admin audit incomplete");
        }
    }

    fn entry<'e>(&'e self, outcome: Option<(u16, Option<&'e str>)>) -> NewAudit<'e> {
        let target = match self.operation.run {
            Run::Write { target, .. } => target,
            Run::Read(_) => None,
        };
        let body = Some(&self.request.body).filter(|body| !body.is_null());
        NewAudit {
            actor: format!("{} ({})", self.actor.id, self.actor.name),
            role: Some(self.actor.role.as_str()),
            operation: self.operation.id,
            target: target.and_then(|name| self.request.text(name)),
            details: body.cloned(),
            request_id: Some(&self.request.id),
            outcome,
        }
    }
}

fn response(done: Done) -> Response<Bytes> {
    let Done { status, mut body, secret } = done;
    if let Some(secret) = secret {
        body["secret"] = Json::String(secret);
    }
    json_response(status, body.to_string())
}

fn replay(reply: StoredReply) -> Response<Bytes> {
    let mut response = json_response(reply.status, reply.body);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
