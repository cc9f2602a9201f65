//! The middleware in a stack of others, on a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::time::Duration;

use demur_client::{ApiError, Client, Deadline, Error, GiveUpReason, Jitter, NetworkKind};
use http::{Extensions, Response, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use tokio::time::{Instant, sleep};

/// The end of the stack, in place of the network: answers after so long that it is busy.
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

/// Delays of a quarter, a half, a whole second.
struct Middle;

impl Jitter for Middle {
    fn fraction(&self) -> f64 {
        0.5
    }
}

fn client(busy: Busy) -> ClientWithMiddleware {
    let retries = Client::builder(reqwest::Client::new()).jitter(Middle).deadline(Duration::from_secs(60));
    ClientBuilder::new(reqwest::Client::new()).with(retries.middleware()).with(busy).build()
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_deadline_that_its_request_names() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    let request = client(Busy(Duration::from_millis(700))).get("http://upstream.test/");
    let response = request.with_extension(Deadline(DEADLINE)).send().await.unwrap();
    let error: &ApiError = response.extensions().get().unwrap();
    assert_eq!((error.status, error.stop), (StatusCode::SERVICE_UNAVAILABLE, GiveUpReason::Deadline));
    // Twice 700 ms and a quarter of a second between them; half a second more would be too late.
    assert_eq!(begun.elapsed(), Duration::from_millis(1650));

    let begun = Instant::now();
    let request = client(Busy(Duration::from_secs(3600))).get("http://upstream.test/");
    let error = request.with_extension(Deadline(DEADLINE)).send().await.unwrap_err();
    assert_eq!(begun.elapsed(), DEADLINE);
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error:?}") };
    let Some(Error::Network(error)) = error.downcast_ref::<Error>() else { panic!("{error:?}") };
    assert_eq!(error.kind, NetworkKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn without_one_it_has_the_deadline_of_the_policy() {
    let begun = Instant::now();
    let error =
        client(Busy(Duration::from_secs(3600))).get("http://upstream.test/").send().await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(60), "{error:?}");
}

/// Adds a credential after the cache has seen the request, as the default headers of a client do.
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

/// The end of the stack: answers with the caller's own name.
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
async fn credentials_that_are_added_later_are_not_answered_from_the_cache() {
    for (says, expected) in [
        ("max-age=60", ["a", "b", ""]),
        ("private, max-age=60", ["a", "b", ""]),
        ("no-cache", ["a", "b", ""]),
    ] {
        let cache = Client::builder(reqwest::Client::new()).cache().middleware();
        let client = ClientBuilder::new(reqwest::Client::new()).with(cache).with(SignsLater).with(Echo(says));
        let client = client.build();
        let mut answers = Vec::new();
        for caller in ["a", "b", ""] {
            let request = client.get("http://upstream.test/").with_extension(caller);
            answers.push(request.send().await.unwrap().text().await.unwrap());
        }
        assert_eq!(answers, expected, "{says}");
    }
}
