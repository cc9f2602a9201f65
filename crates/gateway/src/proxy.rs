//! One request on its way through the gateway: the engine's phases, and the exchange with the upstream between them.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use demur_admission::Clock;
use demur_engine::{Api, BodyError, Engine, RequestInfo, RequestRecord, ResponseBody, UpstreamFault};
use demur_http1::io::ServerStream;
use futures_util::FutureExt;
use futures_util::future::Either;
use http::{HeaderMap, Request, Response, StatusCode};

use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::Descriptors;
use crate::listener::request_body::ClientBody;
use crate::snapshot::Snapshot;
use crate::upstream::balancer::SharedUpstream;
use crate::upstream::body::UpstreamBody;
use crate::upstream::client::{UpstreamClient, UpstreamRequestBody, UpstreamResponse};
use crate::upstream::counts::ConnectionCounts;
use crate::upstream::upgrade::UpgradeSlot;

/// The body of a response to a client.
pub(crate) type ProxyBody = ResponseBody<Box<UpstreamBody<UpstreamRequestBody<ClientBody>>>>;

/// One worker's clients of all upstreams.
pub(crate) struct Upstreams {
    /// APIs are few, and compared by address.
    clients: Vec<(Arc<Api>, Rc<UpstreamClient>)>,
}

impl Upstreams {
    /// The clients of a snapshot. Those of `previous` whose upstream is the same stay, with their connections.
    pub(crate) fn new(
        snapshot: &Snapshot,
        previous: Option<&Self>,
        descriptors: &Descriptors,
        connections: &ConnectionTable,
        clock: Clock,
        counts: impl Fn(&str) -> Arc<ConnectionCounts>,
    ) -> Self {
        let client = |(api, upstream): &(Arc<Api>, Arc<SharedUpstream>)| {
            let settings = api.settings();
            let same = previous.iter().flat_map(|previous| &previous.clients);
            let mut same = same.filter(|(old, client)| {
                old.name() == api.name() && client.is_for(&upstream.settings, settings)
            });
            let client = same.next().map(|(_, client)| Rc::clone(client));
            let client = client.unwrap_or_else(|| {
                let upstream = Arc::clone(upstream);
                Rc::new(UpstreamClient::new(
                    upstream,
                    settings,
                    descriptors,
                    connections,
                    clock,
                    counts(api.name()),
                ))
            });
            (Arc::clone(api), client)
        };
        Self { clients: snapshot.upstreams.iter().map(client).collect() }
    }

    /// Closes up to `count` idle connections to upstreams. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.clients.iter().fold(0, |closed, (_, client)| closed + client.close_idle(count - closed))
    }

    fn of(&self, api: &Arc<Api>) -> Option<&UpstreamClient> {
        self.clients.iter().find(|(known, _)| Arc::ptr_eq(known, api)).map(|(_, client)| &**client)
    }
}

/// Serves one request of this client: the engine's two phases around the exchange with the upstream. Interim responses are
/// sent to the client as they come. If the client resets the connection, the exchange is cancelled. The upstream's side of
/// a connection that it has switched to another protocol goes into `upgrade`.
pub(crate) fn serve<'u>(
    engine: &Arc<Engine>,
    upstreams: &'u Upstreams,
    request: Request<ClientBody>,
    info: RequestInfo<'_>,
    (client, upgrade): (&'u ServerStream, &'u UpgradeSlot),
) -> impl Future<Output = (Response<ProxyBody>, RequestRecord)> + use<'u> {
    // Either of two futures, so that there is room for the request once.
    engine.serve(request, info, move |api, request| match upstreams.of(api) {
        Some(upstream) => {
            let interim = |status, headers: HeaderMap| client.interim(status, &headers);
            // Boxed: every future around it would have room for it, and would be copied with it.
            let response = client.respond(Box::pin(upstream.forward(request, interim)));
            Either::Left(response.map(move |response| {
                let response = response.unwrap_or(Err(UpstreamFault::ClientGone));
                response.and_then(|response| switched(response, client, upgrade))
            }))
        }
        None => Either::Right(ready(Err(UpstreamFault::Unavailable("the API has no upstream".to_owned())))),
    })
}

/// Takes the upstream's connection if the response is a 101. What the client has sent before it is in no protocol: it may be
/// another request that was to pass unchecked.
fn switched(
    mut response: UpstreamResponse<ClientBody>,
    client: &ServerStream,
    upgrade: &UpgradeSlot,
) -> Result<UpstreamResponse<ClientBody>, UpstreamFault> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if client.has_arrived() {
            client.close();
            return Err(UpstreamFault::Body(BodyError::BeforeUpgrade));
        }
        upgrade.set(response.body_mut().take_tunnel());
    }
    Ok(response)
}
