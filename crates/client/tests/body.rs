//! The body of a success has the deadline and the error type of its call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_client::{Client, ClientBuilder, Error, NetworkError, NetworkKind, Response, Transport};
use http_body::{Body, Frame};

/// What the body of every response does after its first five bytes.
#[derive(Debug, Clone, Copy)]
enum Then {
    Ends,
    Breaks,
    Stalls,
    /// Sends a byte every ten seconds, without end.
    Trickles,
}

struct Begun {
    first: Option<&'static [u8]>,
    then: Then,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(first)))));
        }
        match self.then {
            Then::Ends => Poll::Ready(None),
            Then::Breaks => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Then::Stalls => Poll::Pending,
            Then::Trickles => {
                let ten_seconds = || Box::pin(tokio::time::sleep(Duration::from_secs(10)));
                let timer = self.timer.get_or_insert_with(ten_seconds);
                std::task::ready!(timer.as_mut().poll(context));
                self.timer = None;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
            }
        }
    }
}

#[derive(Clone)]
struct Origin(Then);

impl Transport for Origin {
    async fn send(&mut self, request: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        use reqwest::ResponseBuilderExt;
        let body = Begun { first: Some(b"[1,2]"), then: self.0, timer: None };
        let response = http::Response::builder()
            .url(request.url().clone())
            .header("content-type", "application/json")
            .body(reqwest::Body::wrap(body));
        Ok(response.unwrap().into())
    }
}

const URL: &str = "http://api.example/things?key=s3cret";

async fn response(then: Then, deadline: u64) -> Response {
    let client = ClientBuilder::new(Origin(then)).build();
    let request = reqwest::Request::new(http::Method::GET, URL.parse().unwrap());
    client.execute(request, Some(Duration::from_secs(deadline))).await.unwrap()
}

fn kind(error: &Error) -> NetworkKind {
    let Error::Network(network) = error else { panic!("{error:?}") };
    for text in [format!("{error:?}"), error.to_string(), format!("{:?}", std::error::Error::source(error))] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert_eq!(network.attempts, 1);
    network.kind
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_an_error_of_the_call() {
    for (then, expected) in [
        (Then::Ends, None),
        (Then::Breaks, Some(NetworkKind::Broken)),
        (Then::Stalls, Some(NetworkKind::Deadline)),
        (Then::Trickles, Some(NetworkKind::Deadline)),
    ] {
        let started = tokio::time::Instant::now();
        let read = response(then, 60).await.bytes().await;
        assert_eq!(read.as_ref().err().map(kind), expected, "{then:?}");
        if expected.is_none() {
            assert_eq!(read.unwrap(), "[1,2]");
        }
        assert!(started.elapsed() <= Duration::from_millis(60_001), "{then:?} {:?}", started.elapsed());

        let text = response(then, 60).await.text().await;
        assert_eq!(text.as_ref().err().map(kind), expected, "{then:?}");
        let json = response(then, 60).await.json::<Vec<u32>>().await;
        assert_eq!(json.as_ref().err().map(kind), expected, "{then:?}");

        // Part by part, and as a body: the error comes once, and then the body is over.
        let mut begun = response(then, 60).await;
        assert_eq!(begun.chunk().await.unwrap().unwrap(), "[1,2]");
        let mut last = begun.chunk().await;
        while let Ok(Some(_)) = last {
            last = begun.chunk().await;
        }
        assert_eq!(last.err().map(|error| kind(&error)), expected, "{then:?}");
        assert!(begun.chunk().await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_type_is_an_error_of_the_call() {
    let error = response(Then::Ends, 60).await.json::<String>().await.unwrap_err();
    assert_eq!(kind(&error), NetworkKind::Decode);
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_outlast_the_deadline_of_its_call() {
    let mut endless = response(Then::Trickles, 60).await.without_deadline();
    for _ in 0..30 {
        assert!(endless.chunk().await.unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_keeps_what_it_had() {
    let had = response(Then::Ends, 60).await;
    assert_eq!((had.status().as_u16(), had.url().as_str(), had.content_length()), (200, URL, None));
    let had = had.into_reqwest();
    assert_eq!((had.status().as_u16(), had.url().as_str()), (200, URL));
    assert_eq!(had.headers()["content-type"], "application/json");
    assert_eq!(had.text().await.unwrap(), "[1,2]");
}

/// Through the middleware, and where a response of `reqwest` is needed, the error is the source of `reqwest`'s.
#[tokio::test(start_paused = true)]
async fn the_source_of_an_error_of_reqwest_is_that_of_the_call() {
    for (then, expected) in [(Then::Breaks, NetworkKind::Broken), (Then::Stalls, NetworkKind::Deadline)] {
        let error = response(then, 60).await.into_reqwest().bytes().await.unwrap_err();
        let mut source = std::error::Error::source(&error);
        let found = loop {
            let error = source.expect("one of the sources is the error of the call");
            if let Some(error) = error.downcast_ref::<Error>() {
                break kind(error);
            }
            source = error.source();
        };
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_body_is_an_error_of_the_call() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,2").await;
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = Client::builder().http_client(http).build();
    let response = client.send(client.http().get(format!("http://{address}/?key=s3cret"))).await.unwrap();
    assert_eq!(kind(&response.bytes().await.unwrap_err()), NetworkKind::Broken);
}
