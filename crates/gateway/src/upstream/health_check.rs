//! Active health checks: a request to each endpoint at intervals. One worker makes them for all.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use demur_http1::Limits;
use demur_http1::io::ClientStream;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Empty;
use tokio::time::{sleep, timeout};

use super::balancer::SharedUpstream;
use super::connect::connect;
use super::settings::{HealthCheck, HostHeader};

/// Starts the checks of all endpoints, if no worker makes them yet. They end with the upstream.
pub(super) fn start(upstream: &Arc<SharedUpstream>) {
    if !upstream.claim_checks() {
        return;
    }
    for index in 0..upstream.endpoints.len() {
        tokio::task::spawn_local(run(Arc::downgrade(upstream), index));
    }
}

async fn run(upstream: Weak<SharedUpstream>, index: usize) {
    let (mut failures, mut successes) = (0u32, 0u32);
    loop {
        let interval = {
            let Some(upstream) = upstream.upgrade() else { return };
            let Some(check) = &upstream.settings.health_check else { return };
            match timeout(check.timeout, probe(&upstream, check, index)).await {
                Ok(Ok(())) => (failures, successes) = (0, successes.saturating_add(1)),
                result => {
                    (failures, successes) = (failures.saturating_add(1), 0);
                    if failures >= check.failures.get() {
                        let cause = match result {
                            Ok(Err(cause)) => cause,
                            _ => format!("no response within {:?}", check.timeout),
                        };
                        upstream.set_down(index, true, &cause);
                    }
                }
            }
            if successes >= check.successes.get() {
                upstream.set_down(index, false, "");
            }
            check.interval
        };
        sleep(interval.max(Duration::from_millis(1))).await;
    }
}

/// One check on a connection of its own: an endpoint that accepts no connections any more is not healthy.
async fn probe(upstream: &SharedUpstream, check: &HealthCheck, index: usize) -> Result<(), String> {
    let Some(state) = upstream.endpoints.get(index) else { return Ok(()) };
    let endpoint = &state.endpoint;
    let (transport, _) = connect(endpoint, upstream.settings.tls.as_deref())
        .await
        .map_err(|error| format!("unreachable: {error}"))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = check.path.parse::<Uri>().map_err(|error| error.to_string())?;
    let own = || HeaderValue::from_str(endpoint.authority.as_str());
    let host = match &upstream.settings.host {
        HostHeader::Fixed(host) => host.clone(),
        HostHeader::Endpoint | HostHeader::Client => own().map_err(|error| error.to_string())?,
    };
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("demur-health-check"));
    let (head, ()) = request.into_parts();
    let sent = ClientStream::new(transport).send(&head, Empty::<Bytes>::new(), Limits::default(), |_, _| {});
    let status = sent.await.map_err(|error| format!("{error:?}"))?.status();
    if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
}
