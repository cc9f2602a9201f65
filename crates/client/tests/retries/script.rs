//! A server that does what it was told, attempt by attempt, without a socket; and the clock beside it.

use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use demur_client::{Jitter, NetworkError, NetworkKind, Transport};
use demur_contract::Contract;
use demur_source::Source;
use tokio::time::Instant;

/// What the server does about one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// This status, these fields, this content.
    With(u16, &'static [(&'static str, &'static str)], &'static str),
    /// No answer, for this reason.
    Fails(NetworkKind),
    /// No answer, ever.
    Hangs,
    /// An answer after this many seconds.
    Late(u64, u16),
}

#[derive(Debug)]
struct Seen {
    begun: Instant,
    ended: Option<Instant>,
    key: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Script {
    answers: &'static [Answer],
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    pub(crate) fn new(answers: &'static [Answer]) -> Self {
        Self { answers, seen: Arc::default() }
    }

    /// From the end of one attempt to the beginning of the next.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.windows(2).map(|two| two[1].begun - two[0].ended.unwrap_or(two[0].begun)).collect()
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
                seen.push(Seen { begun: Instant::now(), ended: None, key });
                seen.len() - 1
            };
            // The last answer is given again and again.
            let answer = script.answers[at.min(script.answers.len() - 1)];
            let made = match answer {
                Answer::With(status, fields, content) => Ok(response(status, fields, content)),
                Answer::Fails(kind) => Err(NetworkError::new(kind)),
                Answer::Late(seconds, status) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Ok(response(status, &[], ""))
                }
                Answer::Hangs => {
                    // The client's patience ends it; the moment is known all the same.
                    let ending = EndsWhenDropped(script.clone(), at);
                    std::future::pending::<()>().await;
                    drop(ending);
                    Err(NetworkError::new(NetworkKind::Broken))
                }
            };
            script.ended(at);
            made
        }
    }
}

struct EndsWhenDropped(Script, usize);

impl Drop for EndsWhenDropped {
    fn drop(&mut self) {
        self.0.ended(self.1);
    }
}

pub(crate) fn response(status: u16, fields: &[(&str, &str)], content: &'static str) -> reqwest::Response {
    let mut response = http::Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(content).unwrap().into()
}

/// Chance without chance.
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
