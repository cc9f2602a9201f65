//! One request on its way through the gateway: the engine's first phase, the exchange with the upstream, the engine's
//! second phase.

use std::pin::pin;
use std::sync::Arc;

use demur_admission::Clock;
use demur_engine::{
    Api, Engine, RequestInfo, RequestOutcome, RequestRecord, ResponseBody, ResponseOutcome, UpstreamFault,
    catch_panic_async,
};
use http::{Request, Response};

use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::Descriptors;
use crate::listener::request_body::ClientBody;
use crate::snapshot::Snapshot;
use crate::upstream::body::UpstreamBody;
use crate::upstream::client::{UpstreamClient, UpstreamRequestBody};

/// The body of a response to a client.
pub(crate) type ProxyBody = ResponseBody<Box<UpstreamBody<UpstreamRequestBody<ClientBody>>>>;

/// One worker's clients of all upstreams.
pub(crate) struct Upstreams {
    /// APIs are few, and compared by address.
    clients: Vec<(Arc<Api>, UpstreamClient<ClientBody>)>,
}

impl Upstreams {
    pub(crate) fn new(
        snapshot: &Snapshot,
        descriptors: &Descriptors,
        connections: &ConnectionTable,
        clock: Clock,
    ) -> Self {
        let client = |(api, upstream): &(Arc<Api>, _)| {
            let (upstream, settings) = (Clone::clone(upstream), api.settings());
            (Arc::clone(api), UpstreamClient::new(upstream, settings, descriptors, connections, clock))
        };
        Self { clients: snapshot.upstreams.iter().map(client).collect() }
    }

    /// Closes up to `count` idle connections to upstreams. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.clients.iter().fold(0, |closed, (_, client)| closed + client.close_idle(count - closed))
    }

    fn of(&self, api: &Arc<Api>) -> Option<&UpstreamClient<ClientBody>> {
        self.clients.iter().find(|(known, _)| Arc::ptr_eq(known, api)).map(|(_, client)| client)
    }
}

/// Serves one request. The first phase runs at once, so that the future holds its result alone.
pub(crate) fn serve<'u>(
    engine: &Arc<Engine>,
    upstreams: &'u Upstreams,
    request: Request<ClientBody>,
    info: RequestInfo<'_>,
) -> impl Future<Output = (Response<ProxyBody>, RequestRecord)> + use<'u> {
    let mut outcome = engine.receive(request, info);
    async move {
        let (request, in_flight) = loop {
            match outcome {
                RequestOutcome::Forward(request, in_flight) => break (request, in_flight),
                RequestOutcome::Respond(response, record) => {
                    return (response.map(ResponseBody::Whole), record);
                }
                // Boxed: rare, and every request's future has room for it otherwise.
                RequestOutcome::Suspended(suspended) => outcome = Box::pin(suspended.resume()).await,
            }
        };
        let result = match upstreams.of(in_flight.api()) {
            Some(client) => catch_panic_async(pin!(client.forward(request))).await,
            None => Ok(Err(UpstreamFault::Unavailable("the API has no upstream".to_owned()))),
        };
        match in_flight.on_response(result.unwrap_or_else(|panic| Err(panic.into()))) {
            ResponseOutcome::Done(response, record) => (response, record),
            ResponseOutcome::Waiting(pending) => Box::pin(pending.resume()).await,
        }
    }
}
