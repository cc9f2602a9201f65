//! Classifies the errors of the inner service.
//!
//! Handlers return responses, but layers fail with errors: a timeout, a full queue. Unknown errors are `internal`.

use std::error::Error;
use std::time::Duration;

use demur_contract::Condition;
use demur_engine::{BodyError, Raised, UpstreamFault};
use http::Response;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use crate::body::ServiceBody;
use crate::error_chain::sources;

/// `Retry-After` when a load-shedding layer rejects a request.
const OVERLOAD_RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn classify<R>(error: &(dyn Error + 'static)) -> Result<Response<ServiceBody<R>>, UpstreamFault> {
    for source in sources(error) {
        if source.is::<Elapsed>() {
            return Err(UpstreamFault::Timeout(error.to_string()));
        }
        if source.is::<Overloaded>() {
            return Ok(raised(Raised::condition(Condition::Overloaded).after(OVERLOAD_RETRY_AFTER)));
        }
        if let Some(body_error) = source.downcast_ref::<BodyError>() {
            return Err(UpstreamFault::Body(body_error.clone()));
        }
    }
    let cause = sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    Ok(raised(Raised::condition(Condition::Internal).with_cause(cause)))
}

pub(crate) fn raised<R>(raised: Raised) -> Response<ServiceBody<R>> {
    let mut response = Response::new(ServiceBody::empty());
    response.extensions_mut().insert(raised);
    response
}
