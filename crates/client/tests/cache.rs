//! Which answers are kept, for how long, and for whom (RFC 9111), on a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use demur_client::{Builder, Error, NetworkError, NetworkKind, Transport};
use http::Method;

/// Answers with its fields, numbers its answers, and knows its own validator.
#[derive(Clone)]
struct Origin {
    fields: &'static [(&'static str, &'static str)],
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl Transport for Origin {
    async fn send(&mut self, request: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let validator = request.headers().get("if-none-match").map(|etag| etag.to_str().unwrap().to_owned());
        let mut asked = self.asked.lock().unwrap();
        asked.push(validator.clone());
        let status = if validator.as_deref() == Some("\"v\"") { 304 } else { 200 };
        let mut response = http::Response::builder().status(status);
        for (name, value) in self.fields {
            response = response.header(*name, *value);
        }
        let content = if status == 304 { String::new() } else { format!("answer {}", asked.len()) };
        Ok(response.body(content).unwrap().into())
    }
}

type Fields = &'static [(&'static str, &'static str)];
type Ask = (Method, Fields);
/// What it is, what the origin says; the requests, which answer each gets, and how often the origin is asked.
type Row = (&'static str, Fields, Vec<Ask>, &'static [u32], usize);

/// What each of these requests, a second apart, is answered with.
async fn answers(fields: Fields, requests: &[Ask]) -> (Vec<String>, usize) {
    let origin = Origin { fields, asked: Arc::default() };
    let client = Builder::new(origin.clone()).cached().build();
    let mut said = Vec::new();
    for (method, fields) in requests {
        let mut request = reqwest::Request::new(method.clone(), "http://api.example/things".parse().unwrap());
        for (name, value) in *fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        said.push(client.execute(request, None).await.unwrap().text().await.unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let asked = origin.asked.lock().unwrap().len();
    (said, asked)
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_as_long_and_for_whom_they_say() {
    const GET: Ask = (Method::GET, &[]);
    let one: Ask = (Method::GET, &[("authorization", "Bearer one")]);
    let two: Ask = (Method::GET, &[("authorization", "Bearer two")]);
    let german: Ask = (Method::GET, &[("accept-language", "de")]);
    let anew: Ask = (Method::GET, &[("cache-control", "no-cache")]);
    let post: Ask = (Method::POST, &[]);
    let rows: Vec<Row> = vec![
        ("fresh for two seconds", &[("cache-control", "max-age=2")], vec![GET, GET, GET], &[1, 1, 2], 2),
        ("nothing said", &[], vec![GET, GET], &[1, 2], 2),
        ("no-store", &[("cache-control", "max-age=9, no-store")], vec![GET, GET], &[1, 2], 2),
        ("old already", &[("cache-control", "max-age=9"), ("age", "9")], vec![GET, GET], &[1, 2], 2),
        ("a validator", &[("etag", "\"v\"")], vec![GET, GET, GET], &[1, 1, 1], 3),
        (
            "no-cache with a validator",
            &[("cache-control", "no-cache, max-age=9"), ("etag", "\"v\"")],
            vec![GET, GET],
            &[1, 1],
            2,
        ),
        ("asked for anew", &[("cache-control", "max-age=9")], vec![GET, anew, GET], &[1, 2, 2], 2),
        (
            "each key has its own",
            &[("cache-control", "max-age=9")],
            vec![one.clone(), two, one],
            &[1, 2, 3],
            3,
        ),
        (
            "vary",
            &[("cache-control", "max-age=9"), ("vary", "Accept-Language")],
            vec![GET, german.clone(), german],
            &[1, 2, 2],
            2,
        ),
        ("vary: *", &[("cache-control", "max-age=9"), ("vary", "*")], vec![GET, GET], &[1, 2], 2),
        ("a change", &[("cache-control", "max-age=9")], vec![GET, post.clone(), GET], &[1, 2, 3], 3),
        ("only GET", &[("cache-control", "max-age=9")], vec![post.clone(), post], &[1, 2], 2),
    ];
    for (what, fields, requests, expected, asked) in rows {
        let (said, times) = answers(fields, &requests).await;
        let expected: Vec<String> = expected.iter().map(|number| format!("answer {number}")).collect();
        assert_eq!((said, times), (expected, asked), "{what}");
    }
}

/// Says how much is to come, and then sends nothing.
#[derive(Clone)]
struct Stalls;

impl Transport for Stalls {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let nothing = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        let sized = Sized { content: reqwest::Body::wrap_stream(nothing), length: 5 };
        let response = http::Response::builder().header("cache-control", "max-age=60");
        Ok(response.body(reqwest::Body::wrap(sized)).unwrap().into())
    }
}

/// Content whose length is known.
struct Sized {
    content: reqwest::Body,
    length: u64,
}

impl http_body::Body for Sized {
    type Data = bytes::Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, reqwest::Error>>> {
        std::pin::Pin::new(&mut self.content).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.length)
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_is_to_be_kept_must_come_in_time() {
    for (deadline, kind, seconds) in
        [(None, NetworkKind::Timeout, 30), (Some(Duration::from_secs(7)), NetworkKind::Deadline, 7)]
    {
        let client = Builder::new(Stalls).cached().build();
        let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
        let begun = tokio::time::Instant::now();
        match client.execute(request, deadline).await {
            Err(Error::Network(error)) => assert_eq!(error.kind, kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}
