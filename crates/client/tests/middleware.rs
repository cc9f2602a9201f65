//! The middleware in a stack of others, on a paused clock.

use std::time::Duration;

use demur_client::{ApiError, Client, Deadline, Error, Jitter, NetworkKind, Stop};
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
    assert_eq!((error.status, error.stop), (StatusCode::SERVICE_UNAVAILABLE, Stop::Deadline));
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
