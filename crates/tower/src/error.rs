//! What an error of the service itself, or of a layer around it, means.
//!
//! Handlers do not fail this way, layers do: a time-out, a full queue. What is not recognised is `internal`.

use std::error::Error;
use std::time::Duration;

use demur_contract::Condition;
use demur_engine::{BodyError, Raised, UpstreamFault};
use http::Response;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use crate::body::ServiceBody;

/// An overload is over soon, or nobody knows when.
const OVERLOADED_FOR: Duration = Duration::from_secs(1);

pub(crate) fn answer<R>(error: &(dyn Error + 'static)) -> Result<Response<ServiceBody<R>>, UpstreamFault> {
    for source in sources(error) {
        if source.is::<Elapsed>() {
            return Err(UpstreamFault::Timeout(error.to_string()));
        }
        if source.is::<Overloaded>() {
            return Ok(raised(Raised::condition(Condition::Overloaded).after(OVERLOADED_FOR)));
        }
        if let Some(fault) = source.downcast_ref::<BodyError>() {
            return Err(UpstreamFault::Content(fault.clone()));
        }
    }
    let cause = sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    Ok(raised(Raised::condition(Condition::Internal).with_cause(cause)))
}

pub(crate) fn raised<R>(raised: Raised) -> Response<ServiceBody<R>> {
    let mut response = Response::new(ServiceBody::nothing());
    response.extensions_mut().insert(raised);
    response
}

/// An error and what is behind it.
pub(crate) fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
