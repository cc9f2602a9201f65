//! The middleware in a stack, on a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test cache_control what failed by failing")]

use std::time::Duration;

use demur_client::{ApiError, Client, Deadline, Error, GiveUpReason, Jitter, NetworkKind};
use http::{Extensions, Response, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use tokio::time::{Instant, sleep};

/// Replaces the network at the end of the stack: responds 503 after a delay.
struct Busy(Duration);

#[async_trait::async_trait]
impl Middleware for Busy {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        sleep(self.0).await;
        let mut response = Response::new("");
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok(response.into())
    }
}

/// Constant jitter: delays of 250, 500 and 1000 ms.
struct Middle;

impl Jitter for Middle {
    fn fraction(&self) -> f64 {
        0.5
    }
}

fn client(busy: Busy) -> ClientWithMiddleware {
    let retries = Client::builder().jitter(Middle).deadline(Duration::from_secs(60));
    ClientBuilder::new(reqwest::Client::new()).with(retries.middleware()).with(busy).build()
}

#[tokio::test(start_paused = true)]
async fn an_extension_sets_the_deadline_of_a_call() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let started = Instant::now();
    let request = client(Busy(Duration::from_millis(700))).get("http://upstream.test/");
    let response = request.with_extension(Deadline(DEADLINE)).send().await.unwrap();
    let error: &ApiError = response.extensions().get().unwrap();
    assert_eq!(
        (error.status, error.give_up_reason),
        (StatusCode::SERVICE_UNAVAILABLE, GiveUpReason::Deadline)
    );
    // Two attempts of 700 ms and a delay of 250 ms; the next delay of 500 ms exceeds the deadline.
    assert_eq!(started.elapsed(), Duration::from_millis(1650));

    let started = Instant::now();
    let request = client(Busy(Duration::from_secs(3600))).get("http://upstream.test/");
    let error = request.with_extension(Deadline(DEADLINE)).send().await.unwrap_err();
    assert_eq!(started.elapsed(), DEADLINE);
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error:?}") };
    let Some(Error::Network(error)) = error.downcast_ref::<Error>() else { panic!("{error:?}") };
    assert_eq!(error.kind, NetworkKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn without_an_extension_the_deadline_of_the_policy_applies() {
    let started = Instant::now();
    let error =
        client(Busy(Duration::from_secs(3600))).get("http://upstream.test/").send().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(60), "{error:?}");
}

/// Adds a credential after the cache, as the default headers of a client do.
struct SignsLater;

#[async_trait::async_trait]
impl Middleware for SignsLater {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        if let Some(caller) = extensions.get::<&'static str>() {
            request.headers_mut().insert("authorization", caller.parse().unwrap());
        }
        next.run(request, extensions).await
    }
}

/// Replaces the network at the end of the stack: responds with the name of the caller.
struct Echo(&'static str);

#[async_trait::async_trait]
impl Middleware for Echo {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let caller = request.headers().get("authorization");
        let caller = caller.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
        let response = Response::builder().header("cache-control", self.0).header("etag", "\"v\"");
        Ok(response.body(caller).unwrap().into())
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_added_after_the_cache_prevent_caching() {
    for (cache_control, expected) in [
        ("max-age=60", ["a", "b", ""]),
        ("private, max-age=60", ["a", "b", ""]),
        ("no-cache", ["a", "b", ""]),
    ] {
        let cache = Client::builder().cache(true).middleware();
        let client =
            ClientBuilder::new(reqwest::Client::new()).with(cache).with(SignsLater).with(Echo(cache_control));
        let client = client.build();
        let mut bodies = Vec::new();
        for caller in ["a", "b", ""] {
            let request = client.get("http://upstream.test/").with_extension(caller);
            bodies.push(request.send().await.unwrap().text().await.unwrap());
        }
        assert_eq!(bodies, expected, "{cache_control}");
    }
}
