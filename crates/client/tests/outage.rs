//! An outage with a thousand callers: what they add to it, and what they do when it ends. On a paused clock,
//! with chance as it is.

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

/// A host that is away for a while, and counts who asks in each second.
#[derive(Clone)]
struct Host {
    begun: Instant,
    how: Outage,
    seen: Arc<Mutex<Vec<u64>>>,
}

#[derive(Debug, Clone, Copy)]
enum Outage {
    /// Nobody listens.
    Refuses,
    /// It answers, that it cannot.
    Unavailable,
    /// It answers, and says when to come back.
    ComeBackIn(&'static str),
}

impl Transport for Host {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let second = self.begun.elapsed().as_secs();
        self.seen.lock().unwrap()[second.min(SECONDS * 2 - 1) as usize] += 1;
        if second >= DOWN_SECS {
            return Ok(http::Response::new("").into());
        }
        let answer = http::Response::builder().status(503);
        match self.how {
            Outage::Refuses => Err(NetworkError::new(NetworkKind::Connect)),
            Outage::Unavailable => Ok(answer.body("").unwrap().into()),
            Outage::ComeBackIn(seconds) => Ok(answer.header("retry-after", seconds).body("").unwrap().into()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_multiplied_and_its_end_is_no_storm() {
    for how in [Outage::Refuses, Outage::Unavailable, Outage::ComeBackIn("5")] {
        let seen = Arc::new(Mutex::new(vec![0; SECONDS as usize * 2]));
        let host = Host { begun: Instant::now(), how, seen: seen.clone() };
        let client = ClientBuilder::new(host).build();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let client = client.clone();
                // A call a second from each, spread over the second.
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
        let most = calls / 5 + 10 * (DOWN_SECS + 1);
        assert!(extra <= most, "{how:?}: {extra} more than {calls} calls; {most} are allowed");
        let after = &seen[DOWN_SECS as usize..SECONDS as usize];
        let worst = *after.iter().max().unwrap();
        let allowed = CALLERS + CALLERS / 5 + 10;
        // What was put off during the outage, at most a budget's worth for each second, and never all at once.
        assert!(worst <= allowed + allowed / 10, "{how:?}: {worst} in one second after the end, {after:?}");
        assert!(succeeded >= CALLERS * (SECONDS - DOWN_SECS), "{how:?}: {succeeded} succeeded");
        eprintln!(
            "{how:?}: {extra} extra on {calls} calls ({:.1} %), at most {worst} a second after the end",
            100.0 * extra as f64 / calls as f64
        );
    }
}
