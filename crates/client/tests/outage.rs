//! The load of a thousand callers during and after an outage, on a paused clock with real randomness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what failed by failing"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use demur_client::{ClientBuilder, NetworkError, NetworkKind, Transport};
use tokio::time::{Instant, sleep};

const CALLERS: u64 = 1000;
const DOWN_SECS: u64 = 30;
const SECONDS: u64 = 60;

/// A host that is down for a while, and counts the requests of each second.
#[derive(Clone)]
struct Host {
    started: Instant,
    outage: Outage,
    seen: Arc<Mutex<Vec<u64>>>,
}

#[derive(Debug, Clone, Copy)]
enum Outage {
    /// Connections fail.
    Unreachable,
    /// The host responds 503.
    Unavailable,
    /// The host responds 503 with `Retry-After`.
    RetryAfter(&'static str),
}

impl Transport for Host {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let second = self.started.elapsed().as_secs();
        self.seen.lock().unwrap()[second.min(SECONDS * 2 - 1) as usize] += 1;
        if second >= DOWN_SECS {
            return Ok(http::Response::new("").into());
        }
        let response = http::Response::builder().status(503);
        match self.outage {
            Outage::Unreachable => Err(NetworkError::new(NetworkKind::Connect)),
            Outage::Unavailable => Ok(response.body("").unwrap().into()),
            Outage::RetryAfter(seconds) => {
                Ok(response.header("retry-after", seconds).body("").unwrap().into())
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retries_do_not_amplify_an_outage_or_its_end() {
    for outage in [Outage::Unreachable, Outage::Unavailable, Outage::RetryAfter("5")] {
        let seen = Arc::new(Mutex::new(vec![0; SECONDS as usize * 2]));
        let host = Host { started: Instant::now(), outage, seen: seen.clone() };
        let client = ClientBuilder::new(host).build();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let client = client.clone();
                // One call per second from each caller, spread over the second.
                tokio::spawn(async move {
                    sleep(Duration::from_millis(caller)).await;
                    let mut calls = tokio::task::JoinSet::new();
                    for _ in 0..SECONDS {
                        let client = client.clone();
                        calls.spawn(async move {
                            let url = "http://api.example/things".parse().unwrap();
                            client.execute(reqwest::Request::new(http::Method::GET, url), None).await.is_ok()
                        });
                        sleep(Duration::from_secs(1)).await;
                    }
                    calls.join_all().await.into_iter().filter(|is_ok| *is_ok).count() as u64
                })
            })
            .collect();
        let mut succeeded = 0;
        for caller in callers {
            succeeded += caller.await.unwrap();
        }
        let seen = seen.lock().unwrap().clone();
        let during: u64 = seen[..DOWN_SECS as usize].iter().sum();
        let calls = CALLERS * DOWN_SECS;
        let extra = during - calls;
        let max = calls / 5 + 10 * (DOWN_SECS + 1);
        assert!(extra <= max, "{outage:?}: {extra} more than {calls} calls; {max} are allowed");
        let after = &seen[DOWN_SECS as usize..SECONDS as usize];
        let worst = *after.iter().max().unwrap();
        let allowed = CALLERS + CALLERS / 5 + 10;
        // Delayed calls return at the rate of the budget, not all at once.
        assert!(
            worst <= allowed + allowed / 10,
            "{outage:?}: {worst} in one second after the end, {after:?}"
        );
        assert!(succeeded >= CALLERS * (SECONDS - DOWN_SECS), "{outage:?}: {succeeded} succeeded");
        eprintln!(
            "{outage:?}: {extra} extra on {calls} calls ({:.1} %), at most {worst} a second after the end",
            100.0 * extra as f64 / calls as f64
        );
    }
}
