//! A scripted server without a socket, which records the time of each attempt.

use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use demur_client::{Jitter, NetworkError, NetworkKind, Transport};
use demur_contract::Contract;
use demur_source::Source;
use tokio::time::Instant;

/// The reaction of the server to one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// A response with status, headers and body.
    With(u16, &'static [(&'static str, &'static str)], &'static str),
    /// A network failure.
    Fails(NetworkKind),
    /// No response.
    Hangs,
    /// A response after this many seconds.
    Late(u64, u16),
}

#[derive(Debug)]
struct Attempt {
    started: Instant,
    ended: Option<Instant>,
    key: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Script {
    replies: &'static [Reply],
    seen: Arc<Mutex<Vec<Attempt>>>,
}

impl Script {
    pub(crate) fn new(replies: &'static [Reply]) -> Self {
        Self { replies, seen: Arc::default() }
    }

    /// The times between the end of an attempt and the start of the next.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.windows(2).map(|two| two[1].started - two[0].ended.unwrap_or(two[0].started)).collect()
    }

    pub(crate) fn keys(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().iter().map(|seen| seen.key.clone()).collect()
    }

    fn ended(&self, at: usize) {
        self.seen.lock().unwrap()[at].ended = Some(Instant::now());
    }
}

impl Transport for Script {
    fn send(
        &mut self,
        request: reqwest::Request,
    ) -> impl Future<Output = Result<reqwest::Response, NetworkError>> + Send {
        let script = self.clone();
        async move {
            let key = request.headers().get("idempotency-key");
            let key = key.map(|key| key.to_str().unwrap().to_owned());
            let at = {
                let mut seen = script.seen.lock().unwrap();
                seen.push(Attempt { started: Instant::now(), ended: None, key });
                seen.len() - 1
            };
            // The last reply repeats.
            let reply = script.replies[at.min(script.replies.len() - 1)];
            let result = match reply {
                Reply::With(status, headers, body) => Ok(response(status, headers, body)),
                Reply::Fails(kind) => Err(NetworkError::new(kind)),
                Reply::Late(seconds, status) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Ok(response(status, &[], ""))
                }
                Reply::Hangs => {
                    // The client times out and drops this; record the time.
                    let ending = EndsWhenDropped(script.clone(), at);
                    std::future::pending::<()>().await;
                    drop(ending);
                    Err(NetworkError::new(NetworkKind::Broken))
                }
            };
            script.ended(at);
            result
        }
    }
}

struct EndsWhenDropped(Script, usize);

impl Drop for EndsWhenDropped {
    fn drop(&mut self) {
        self.0.ended(self.1);
    }
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &'static str) -> reqwest::Response {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap().into()
}

/// Constant jitter.
pub(crate) struct Always(pub(crate) f64);

impl Jitter for Always {
    fn fraction(&self) -> f64 {
        self.0
    }
}

pub(crate) fn contract() -> Arc<Contract> {
    static CONTRACT: LazyLock<Arc<Contract>> = LazyLock::new(|| {
        let source = Source::new("contract.yaml", include_str!("contract.yaml"));
        Arc::new(Contract::load(&source).unwrap_or_else(|found| panic!("{found}")).contract)
    });
    Arc::clone(&CONTRACT)
}
