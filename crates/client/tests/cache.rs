//! Which answers are kept, for how long, and for whom (RFC 9111), on a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use demur_client::{ClientBuilder, Error, NetworkError, NetworkKind, Transport};
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
    let client = ClientBuilder::new(origin.clone()).cache().build();
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
        let client = ClientBuilder::new(Stalls).cache().build();
        let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
        let begun = tokio::time::Instant::now();
        match client.execute(request, deadline).await {
            Err(Error::Network(error)) => assert_eq!(error.kind, kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

/// A request: its method, URL and headers.
type Sent = (Method, &'static str, Fields);
/// A case: its name, the response's headers, the requests, and which answer each of them receives.
type Shared = (&'static str, Fields, Vec<Sent>, &'static [u32]);

/// The answers to these requests, which go through one cache a second apart.
async fn shared(fields: Fields, requests: &[Sent], public: &[&'static str]) -> Vec<String> {
    let mut client = ClientBuilder::new(Origin { fields, asked: Arc::default() }).cache();
    for name in public {
        client = client.public_header(http::HeaderName::from_static(name));
    }
    let client = client.build();
    let mut answers = Vec::new();
    for (method, url, fields) in requests {
        let mut request = reqwest::Request::new(method.clone(), url.parse().unwrap());
        for (name, value) in *fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        answers.push(client.execute(request, None).await.unwrap().text().await.unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    answers
}

const URL: &str = "http://api.example/things";

fn get(fields: Fields) -> Sent {
    (Method::GET, URL, fields)
}

async fn check(rows: Vec<Shared>, public: &[&'static str]) {
    for (what, fields, requests, expected) in rows {
        let expected: Vec<String> = expected.iter().map(|number| format!("answer {number}")).collect();
        assert_eq!(shared(fields, &requests, public).await, expected, "{what}");
    }
}

/// RFC 9111, section 3.5, for every header that can carry a credential and not for `Authorization` alone.
#[tokio::test(start_paused = true)]
async fn responses_to_requests_with_credentials_are_not_stored_unless_they_allow_it() {
    const FRESH: Fields = &[("cache-control", "max-age=9")];
    let credentials: &[Fields] = &[
        &[("authorization", "Bearer a")],
        &[("proxy-authorization", "Basic a")],
        &[("cookie", "session=a")],
        &[("x-api-key", "a")],
        &[("api-key", "a")],
        &[("ocp-apim-subscription-key", "a")],
        &[("x-amz-security-token", "a")],
        // A header of unknown meaning may be one.
        &[("x-tenant", "a")],
        &[("x-http-method-override", "DELETE")],
        &[("host", "other.example")],
    ];
    for credential in credentials {
        let twice = [get(credential), get(credential)];
        let name = credential[0].0;
        assert_eq!(shared(FRESH, &twice, &[]).await, ["answer 1", "answer 2"], "{name}");
        let one_other = [get(credential), get(&[]), get(credential), get(&[])];
        let expected = ["answer 1", "answer 2", "answer 3", "answer 2"];
        assert_eq!(shared(FRESH, &one_other, &[]).await, expected, "{name}");
        for allowed in [
            &[("cache-control", "public, max-age=9")] as Fields,
            &[("cache-control", "must-revalidate, max-age=9")],
            &[("cache-control", "max-age=0, s-maxage=9")],
            &[("cache-control", "max-age=9"), ("cache-control", "Public")],
        ] {
            assert_eq!(shared(allowed, &twice, &[]).await, ["answer 1", "answer 1"], "{name} {allowed:?}");
            // Stored, and still for the one that presented it.
            let anonymous = [get(credential), get(&[])];
            assert_eq!(shared(allowed, &anonymous, &[]).await, ["answer 1", "answer 2"], "{name}");
        }
        for forbidden in [
            &[("cache-control", "private, max-age=9")] as Fields,
            &[("cache-control", "private, public, max-age=9")],
            &[("cache-control", "private=\"x-user\", public, max-age=9")],
            &[("cache-control", "ext=\"a, public, b\", max-age=9")],
            &[("cache-control", "publicly, max-age=9")],
            &[("cache-control", "s-maxage=soon, max-age=9")],
            &[("cache-control", "no-store, public, max-age=9")],
            &[("etag", "\"v\"")],
        ] {
            let said = shared(forbidden, &twice, &[]).await;
            assert_eq!(said, ["answer 1", "answer 2"], "{name} {forbidden:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_callers_answer_is_never_given_to_another() {
    const PUBLIC: Fields = &[("cache-control", "public, max-age=9")];
    const VALIDATED: Fields = &[("cache-control", "public, no-cache"), ("etag", "\"v\"")];
    let url = |url| (Method::GET, url, &[] as Fields);
    let rows: Vec<Shared> = vec![
        ("two keys", PUBLIC, vec![get(&[("x-api-key", "a")]), get(&[("x-api-key", "b")])], &[1, 2]),
        (
            "the second of two values",
            PUBLIC,
            vec![
                get(&[("cookie", "theme=dark"), ("cookie", "session=a")]),
                get(&[("cookie", "theme=dark"), ("cookie", "session=b")]),
            ],
            &[1, 2],
        ),
        (
            "one of two credentials",
            PUBLIC,
            vec![
                get(&[("authorization", "Bearer app"), ("x-user-token", "a")]),
                get(&[("authorization", "Bearer app"), ("x-user-token", "b")]),
                get(&[("authorization", "Bearer app")]),
            ],
            &[1, 2, 3],
        ),
        (
            "the same value in another header",
            PUBLIC,
            vec![get(&[("x-api-key", "a")]), get(&[("api-key", "a")])],
            &[1, 2],
        ),
        (
            "credentials in the URL",
            &[("cache-control", "max-age=9")],
            vec![url("http://a:a@api.example/things"), url("http://a:a@api.example/things")],
            &[1, 2],
        ),
        (
            "other credentials in the URL",
            PUBLIC,
            vec![url("http://a:a@api.example/things"), url("http://b:b@api.example/things"), url(URL)],
            &[1, 2, 3],
        ),
        (
            "keys in the query",
            PUBLIC,
            vec![url("http://api.example/things?key=a"), url("http://api.example/things?key=b")],
            &[1, 2],
        ),
        (
            "a validator is the caller's own",
            VALIDATED,
            vec![get(&[("x-api-key", "a")]), get(&[("x-api-key", "a")]), get(&[("x-api-key", "b")])],
            &[1, 1, 3],
        ),
        (
            "a second value of a varying header",
            &[("cache-control", "max-age=9"), ("vary", "accept")],
            vec![
                get(&[("accept", "text/html"), ("accept", "a/a")]),
                get(&[("accept", "text/html"), ("accept", "b/b")]),
            ],
            &[1, 2],
        ),
        (
            "vary: *, among others",
            &[("cache-control", "public, max-age=9"), ("vary", "accept, *")],
            vec![get(&[]), get(&[])],
            &[1, 2],
        ),
        (
            "a vary that cannot be read",
            &[("cache-control", "public, max-age=9"), ("vary", "x api key")],
            vec![get(&[]), get(&[])],
            &[1, 2],
        ),
        (
            "a session that begins",
            &[("cache-control", "public, max-age=9"), ("set-cookie", "session=a")],
            vec![get(&[]), get(&[])],
            &[1, 2],
        ),
        (
            "no-store of the request",
            PUBLIC,
            vec![get(&[("cache-control", "no-store")]), get(&[]), get(&[])],
            &[1, 2, 2],
        ),
        ("HEAD", PUBLIC, vec![(Method::HEAD, URL, &[]), get(&[]), (Method::HEAD, URL, &[])], &[1, 2, 3]),
        (
            "what tells nobody apart",
            &[("cache-control", "max-age=9")],
            vec![get(&[("accept", "a/a"), ("user-agent", "a"), ("traceparent", "00-1")]), get(&[])],
            &[1, 1],
        ),
        (
            "a fragment is the client's own",
            &[("cache-control", "max-age=9")],
            vec![url("http://api.example/things#a"), url("http://api.example/things#b")],
            &[1, 1],
        ),
    ];
    check(rows, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_header_can_be_declared_public_but_never_a_sensitive_value() {
    const FRESH: Fields = &[("cache-control", "max-age=9")];
    let version = || get(&[("x-client-version", "3")]);
    check(vec![("undeclared", FRESH, vec![version(), version()], &[1, 2])], &[]).await;
    check(vec![("declared", FRESH, vec![version(), version()], &[1, 1])], &["x-client-version"]).await;

    let client = ClientBuilder::new(Origin { fields: FRESH, asked: Arc::default() })
        .cache()
        .public_header(http::HeaderName::from_static("x-client-version"))
        .build();
    for expected in ["answer 1", "answer 2"] {
        let mut request = reqwest::Request::new(Method::GET, URL.parse().unwrap());
        let mut value = http::HeaderValue::from_static("a");
        value.set_sensitive(true);
        request.headers_mut().insert("x-client-version", value);
        assert_eq!(client.execute(request, None).await.unwrap().text().await.unwrap(), expected);
    }
}

/// A body decides what is answered, and is no part of what an answer is found by.
#[tokio::test(start_paused = true)]
async fn requests_with_a_body_are_not_answered_from_the_cache() {
    let fields: Fields = &[("cache-control", "public, max-age=9")];
    let client = ClientBuilder::new(Origin { fields, asked: Arc::default() }).cache().build();
    for (body, expected) in [("a", "answer 1"), ("b", "answer 2")] {
        let mut request = reqwest::Request::new(Method::GET, URL.parse().unwrap());
        *request.body_mut() = Some(body.into());
        assert_eq!(client.execute(request, None).await.unwrap().text().await.unwrap(), expected);
    }
}

/// Sets a cookie on POST, as a login does.
#[derive(Clone)]
struct Session(Origin);

impl Transport for Session {
    async fn send(&mut self, request: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        let is_login = request.method() == Method::POST;
        let mut response = self.0.send(request).await?;
        if is_login {
            response.headers_mut().insert("set-cookie", "session=a".parse().unwrap());
        }
        Ok(response)
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_clears_what_was_stored_before_it() {
    let fields: Fields = &[("cache-control", "max-age=9")];
    let client = ClientBuilder::new(Session(Origin { fields, asked: Arc::default() })).cache().build();
    for (method, url, expected) in [
        (Method::GET, URL, "answer 1"),
        (Method::GET, URL, "answer 1"),
        (Method::POST, "http://api.example/login", "answer 2"),
        (Method::GET, URL, "answer 3"),
    ] {
        let request = reqwest::Request::new(method, url.parse().unwrap());
        assert_eq!(client.execute(request, None).await.unwrap().text().await.unwrap(), expected);
    }
}
