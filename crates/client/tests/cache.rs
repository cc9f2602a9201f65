//! Which responses are cached, for how long, and for which callers (RFC 9111), on a paused clock.
//! Long because the rules share one server and one clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use demur_client::{ClientBuilder, Error, NetworkError, NetworkKind, Transport};
use http::Method;

/// Responds with its headers, numbers its responses, and supports one validator.
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
        let content = if status == 304 { String::new() } else { format!("response {}", asked.len()) };
        Ok(response.body(content).unwrap().into())
    }
}

type Fields = &'static [(&'static str, &'static str)];
type Ask = (Method, Fields);
/// A name, the headers of the origin, the requests, the number of the response that each gets, and the number of requests
/// to the origin.
type Row = (&'static str, Fields, Vec<Ask>, &'static [u32], usize);

/// The responses to these requests, one second apart.
async fn responses(fields: Fields, requests: &[Ask]) -> (Vec<String>, usize) {
    let origin = Origin { fields, asked: Arc::default() };
    let client = ClientBuilder::new(origin.clone()).cache(true).build();
    let mut bodies = Vec::new();
    for (method, fields) in requests {
        let mut request = reqwest::Request::new(method.clone(), "http://api.example/things".parse().unwrap());
        for (name, value) in *fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        bodies.push(client.execute(request, None).await.unwrap().text().await.unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let asked = origin.asked.lock().unwrap().len();
    (bodies, asked)
}

#[tokio::test(start_paused = true)]
async fn responses_are_cached_by_lifetime_and_vary() {
    const GET: Ask = (Method::GET, &[]);
    let one: Ask = (Method::GET, &[("authorization", "Bearer one")]);
    let two: Ask = (Method::GET, &[("authorization", "Bearer two")]);
    let german: Ask = (Method::GET, &[("accept-language", "de")]);
    let no_cache: Ask = (Method::GET, &[("cache-control", "no-cache")]);
    let post: Ask = (Method::POST, &[]);
    let rows: Vec<Row> = vec![
        ("fresh for two seconds", &[("cache-control", "max-age=2")], vec![GET, GET, GET], &[1, 1, 2], 2),
        ("no lifetime", &[], vec![GET, GET], &[1, 2], 2),
        ("no-store", &[("cache-control", "max-age=9, no-store")], vec![GET, GET], &[1, 2], 2),
        ("already stale", &[("cache-control", "max-age=9"), ("age", "9")], vec![GET, GET], &[1, 2], 2),
        ("a validator", &[("etag", "\"v\"")], vec![GET, GET, GET], &[1, 1, 1], 3),
        (
            "no-cache with a validator",
            &[("cache-control", "no-cache, max-age=9"), ("etag", "\"v\"")],
            vec![GET, GET],
            &[1, 1],
            2,
        ),
        ("request with no-cache", &[("cache-control", "max-age=9")], vec![GET, no_cache, GET], &[1, 2, 2], 2),
        (
            "one response per credential",
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
        (
            "invalidation by POST",
            &[("cache-control", "max-age=9")],
            vec![GET, post.clone(), GET],
            &[1, 2, 3],
            3,
        ),
        ("only GET", &[("cache-control", "max-age=9")], vec![post.clone(), post], &[1, 2], 2),
    ];
    for (what, fields, requests, expected, asked) in rows {
        let (bodies, count) = responses(fields, &requests).await;
        let expected: Vec<String> = expected.iter().map(|number| format!("response {number}")).collect();
        assert_eq!((bodies, count), (expected, asked), "{what}");
    }
}

/// Declares a length, and then sends nothing.
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

/// A body with a known length.
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
async fn a_body_to_be_stored_must_arrive_in_time() {
    for (deadline, kind, seconds) in
        [(None, NetworkKind::Timeout, 30), (Some(Duration::from_secs(7)), NetworkKind::Deadline, 7)]
    {
        let client = ClientBuilder::new(Stalls).cache(true).build();
        let request = reqwest::Request::new(Method::GET, "http://api.example/things".parse().unwrap());
        let started = tokio::time::Instant::now();
        match client.execute(request, deadline).await {
            Err(Error::Network(error)) => assert_eq!(error.kind, kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
}

/// A request: its method, URL and headers.
type Sent = (Method, &'static str, Fields);
/// A name, the response headers, the requests, and the number of the response that each gets.
type Shared = (&'static str, Fields, Vec<Sent>, &'static [u32]);

/// The responses to these requests through one cache, one second apart.
async fn shared(fields: Fields, requests: &[Sent], public: &[&'static str]) -> Vec<String> {
    let mut client = ClientBuilder::new(Origin { fields, asked: Arc::default() }).cache(true);
    for name in public {
        client = client.public_header(http::HeaderName::from_static(name));
    }
    let client = client.build();
    let mut bodies = Vec::new();
    for (method, url, fields) in requests {
        let mut request = reqwest::Request::new(method.clone(), url.parse().unwrap());
        for (name, value) in *fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        bodies.push(client.execute(request, None).await.unwrap().text().await.unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    bodies
}

const URL: &str = "http://api.example/things";

fn get(fields: Fields) -> Sent {
    (Method::GET, URL, fields)
}

async fn check(rows: Vec<Shared>, public: &[&'static str]) {
    for (what, fields, requests, expected) in rows {
        let expected: Vec<String> = expected.iter().map(|number| format!("response {number}")).collect();
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
        // A header of unknown meaning may be a credential.
        &[("x-tenant", "a")],
        &[("x-http-method-override", "DELETE")],
        &[("host", "other.example")],
    ];
    for credential in credentials {
        let twice = [get(credential), get(credential)];
        let name = credential[0].0;
        assert_eq!(shared(FRESH, &twice, &[]).await, ["response 1", "response 2"], "{name}");
        let one_other = [get(credential), get(&[]), get(credential), get(&[])];
        let expected = ["response 1", "response 2", "response 3", "response 2"];
        assert_eq!(shared(FRESH, &one_other, &[]).await, expected, "{name}");
        for allowed in [
            &[("cache-control", "public, max-age=9")] as Fields,
            &[("cache-control", "must-revalidate, max-age=9")],
            &[("cache-control", "max-age=0, s-maxage=9")],
            &[("cache-control", "max-age=9"), ("cache-control", "Public")],
        ] {
            assert_eq!(
                shared(allowed, &twice, &[]).await,
                ["response 1", "response 1"],
                "{name} {allowed:?}"
            );
            // Stored, but only for the same credential.
            let anonymous = [get(credential), get(&[])];
            assert_eq!(shared(allowed, &anonymous, &[]).await, ["response 1", "response 2"], "{name}");
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
            assert_eq!(said, ["response 1", "response 2"], "{name} {forbidden:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_is_never_served_to_another_caller() {
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
        .cache(true)
        .public_header(http::HeaderName::from_static("x-client-version"))
        .build();
    for expected in ["response 1", "response 2"] {
        let mut request = reqwest::Request::new(Method::GET, URL.parse().unwrap());
        let mut value = http::HeaderValue::from_static("a");
        value.set_sensitive(true);
        request.headers_mut().insert("x-client-version", value);
        assert_eq!(client.execute(request, None).await.unwrap().text().await.unwrap(), expected);
    }
}

/// The body affects the response, but is not part of the cache key.
#[tokio::test(start_paused = true)]
async fn requests_with_a_body_bypass_the_cache() {
    let fields: Fields = &[("cache-control", "public, max-age=9")];
    let client = ClientBuilder::new(Origin { fields, asked: Arc::default() }).cache(true).build();
    for (body, expected) in [("a", "response 1"), ("b", "response 2")] {
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
async fn a_cookie_clears_the_cache() {
    let fields: Fields = &[("cache-control", "max-age=9")];
    let client = ClientBuilder::new(Session(Origin { fields, asked: Arc::default() })).cache(true).build();
    for (method, url, expected) in [
        (Method::GET, URL, "response 1"),
        (Method::GET, URL, "response 1"),
        (Method::POST, "http://api.example/login", "response 2"),
        (Method::GET, URL, "response 3"),
    ] {
        let request = reqwest::Request::new(method, url.parse().unwrap());
        assert_eq!(client.execute(request, None).await.unwrap().text().await.unwrap(), expected);
    }
}
