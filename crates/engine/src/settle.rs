//! The end of a request's way: what its answer means for it, and for what it holds.
//!
//! Whatever the upstream does, the hold is settled: by the operation's rules for a success (`charge.rs`), released
//! when the upstream is known to have failed.

use std::sync::Arc;

use bytes::Bytes;
use demur_admission::Hold;
use demur_contract::Condition;
use http::response::Parts;
use http::{Response, Version};
use http_body::Body;
use http_body_util::BodyExt;

use crate::answer::{self, Looked};
use crate::api::Api;
use crate::charge::Charge;
use crate::exchange::Exchange;
use crate::forward;
use crate::outcome::{self, MAX_FAILURE_BYTES};
use crate::outgoing::Outgoing;
use crate::raised::Raised;
use crate::refused::Refused;
use crate::settings::{Answers, Usage};

/// Settles by what came back, and makes the response of it.
pub(crate) async fn settle<R>(
    exchange: &mut Exchange<'_>,
    api: &Arc<Api>,
    answer: Response<R>,
    hold: Hold,
) -> Result<Response<Outgoing<R>>, Refused>
where
    R: Body<Data = Bytes> + Unpin,
{
    let (mut head, body) = answer.into_parts();
    if let Some(raised) = head.extensions.remove::<Raised>() {
        hold.release();
        return Err(raised.in_contract(exchange.voice()));
    }
    if let Some(cause) = outcome::unusable(&head) {
        hold.release();
        return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
    }
    if head.status.is_client_error() || head.status.is_server_error() {
        hold.release();
        if api.settings.observe {
            return Box::pin(watched_failure(exchange, head, body)).await;
        }
        // Boxed, as is all that is rare: every request's future has the room for it otherwise.
        let content = Box::pin(failure_content(body)).await;
        return Err(outcome::refuse(exchange.voice(), head.status, &head.headers, &content));
    }
    let settings = &api.settings;
    let answers = settings.validation.answers;
    let body = match exchange.operation.filter(|_| answers != Answers::Ignore) {
        None => Looked::nothing(body),
        Some(operation) => {
            let (body, fault) = match Box::pin(answer::look(settings, operation, &head, body)).await {
                Ok(looked) => looked,
                Err(cause) => {
                    hold.release();
                    return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
                }
            };
            match fault {
                Some(fault) if fault.is_refused(answers) => {
                    let refused = Refused::from(Condition::UpstreamInvalidResponse);
                    let refused = refused.because(fault.to_string());
                    if let Err(refused) = exchange.decided::<()>(Err(refused)) {
                        hold.release();
                        return Err(refused);
                    }
                }
                Some(fault) => exchange.remarks.push(fault.to_string()),
                None => {}
            }
            body
        }
    };
    // A service that is only watched charges nobody, and what it says stays as it is.
    let usage = if settings.observe { &Usage::USUAL } else { exchange.usage() };
    let charge = Charge::of(hold, exchange.taken.take(), usage, &mut head.headers, &mut exchange.remarks);
    Ok(passing(head, Outgoing::passing(body, charge)))
}

/// An answer that goes on to the client.
fn passing<R>(mut head: Parts, content: Outgoing<R>) -> Response<Outgoing<R>> {
    forward::strip_hops(&mut head.headers);
    // The version is each connection's own.
    head.version = Version::HTTP_11;
    Response::from_parts(head, content)
}

/// A failure of a service that is only watched: it goes on as it is, and what would have become of it is told.
async fn watched_failure<R>(
    exchange: &mut Exchange<'_>,
    head: Parts,
    body: R,
) -> Result<Response<Outgoing<R>>, Refused>
where
    R: Body<Data = Bytes> + Unpin,
{
    let (body, begin) = Looked::into_beginning(body, MAX_FAILURE_BYTES).await.map_err(|()| {
        Refused::from(Condition::UpstreamInvalidResponse).because("the content of a failure broke off")
    })?;
    exchange.observe(&outcome::refuse(exchange.voice(), head.status, &head.headers, &begin));
    Ok(passing(head, Outgoing::passing(body, Charge::failed(exchange.taken.take()))))
}

/// The beginning of a failed answer. What cannot be read is not missed: the status says enough.
async fn failure_content<R: Body<Data = Bytes> + Unpin>(mut body: R) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_FAILURE_BYTES.saturating_sub(content.len());
        content.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            break;
        }
    }
    content
}
