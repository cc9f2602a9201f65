//! Public bug reports of other clients and gateways, rebuilt small: each names its source. The client must read each of these
//! responses as what it is, and repeat exactly those that can succeed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use demur_client::{ApiError, ClientBuilder, Error, ErrorClass, NetworkError, NetworkKind, Transport};

/// Sends the same response to every request, and counts them.
#[derive(Clone)]
struct Server {
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    asked: Arc<AtomicU32>,
}

impl Transport for Server {
    async fn send(&mut self, _: reqwest::Request) -> Result<reqwest::Response, NetworkError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut response = http::Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(self.body).unwrap().into())
    }
}

struct Report {
    source: &'static str,
    response: (u16, &'static [(&'static str, &'static str)], &'static str),
    /// Class, code, message, and how often the client asks.
    read: (ErrorClass, Option<&'static str>, &'static str, u32),
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[rustfmt::skip]
const REPORTS: &[Report] = &[
    // A string where an object is expected: `.get()` on it raised AttributeError, and the user saw an opaque 500.
    Report { source: "mostlygeek/llama-swap#1037", response: (429, JSON, r#"{"error":"Too many requests"}"#), read: (ErrorClass::Limit, None, "Too many requests", 4) },
    // The third shape of one gateway's 429 was recognised by none of its rules.
    Report { source: "NVIDIA/nvcf#1690", response: (429, JSON, r#"{"message":"rate limit exceeded"}"#), read: (ErrorClass::Limit, None, "rate limit exceeded", 4) },
    // The key is `detail`, not `details`.
    Report { source: "acheong08/ChatGPT#885", response: (429, JSON, r#"{"detail":"Too many requests in 1 hour. Try again later."}"#), read: (ErrorClass::Limit, None, "Too many requests in 1 hour. Try again later.", 4) },
    // A list of errors where one was expected: code and message were undefined.
    Report { source: "ScaleLeap/selling-partner-api-sdk#134", response: (400, JSON, r#"{"errors":[{"code":"InvalidInput","message":"Invalid 'MarketplaceIds' provided.","details":""}]}"#), read: (ErrorClass::Validation, Some("InvalidInput"), "Invalid 'MarketplaceIds' provided.", 1) },
    // An object where a string was expected: the message was `[object Object]`.
    Report { source: "computesdk/computesdk#754", response: (400, JSON, r#"{"error":{"code":"refused","message":"A sandbox lives an hour at most."}}"#), read: (ErrorClass::Validation, Some("refused"), "A sandbox lives an hour at most.", 1) },
    // The message was in a property that is not read.
    Report { source: "vercel/sandbox#291", response: (400, JSON, r#"{"error":{"code":"bad_request","message":"Invalid request: `tags` should NOT have more than 5 properties."}}"#), read: (ErrorClass::Validation, Some("bad_request"), "Invalid request: `tags` should NOT have more than 5 properties.", 1) },
    // A page of HTML from a proxy: the decoding of the error raised an error of its own, JSONDecodeError.
    Report { source: "ramnes/notion-sdk-py#119", response: (502, &[("content-type", "text/html")], "<html><head><title>502 Bad Gateway</title></head></html>"), read: (ErrorClass::Server, None, "", 4) },
    Report { source: "esi/esi-issues#902", response: (502, &[("content-type", "application/json")], "<html>\r\n<head><title>502 Bad Gateway</title></head></html>"), read: (ErrorClass::Server, None, "", 4) },
    // Neither of the two was retried without Retry-After.
    Report { source: "databricks/databricks-sdk-py#402", response: (503, JSON, r#"{"error_code":"TEMPORARILY_UNAVAILABLE","message":"Busy"}"#), read: (ErrorClass::Server, Some("TEMPORARILY_UNAVAILABLE"), "Busy", 4) },
    // Retry-After of more than the client is willing to wait is an error now, and not a sleep.
    Report { source: "RapidataAI/rapidata-python-sdk#566", response: (429, &[("retry-after", "999")], r#"{"message":"Slow down"}"#), read: (ErrorClass::Limit, None, "Slow down", 1) },
];

async fn error(report: &Report) -> (ApiError, u32) {
    let (status, headers, body) = report.response;
    let asked = Arc::new(AtomicU32::new(0));
    let client = ClientBuilder::new(Server { status, headers, body, asked: Arc::clone(&asked) }).build();
    let request = reqwest::Request::new(http::Method::GET, "http://api.example/things".parse().unwrap());
    match client.execute(request, None).await {
        Err(Error::Api(error)) => (*error, asked.load(Ordering::SeqCst)),
        other => panic!("{}: {other:?}", report.source),
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_read_as_what_they_are_and_repeated_where_that_helps() {
    for report in REPORTS {
        let (error, asked) = error(report).await;
        let read = (error.class, error.code.as_deref(), error.message.as_str(), asked);
        assert_eq!(read, report.read, "{}", report.source);
        assert!(!error.user_message("en").contains('<'), "{}", report.source);
    }
}

/// basecamp/basecamp-sdk#869 and nyroway/nyro#68: an error of `reqwest` shows the URL, and a signed URL or a key in its query
/// went into logs and to users. theopenco/llmgateway#1733: headers arrive, the body does not, and no timeout covered it.
#[tokio::test]
async fn an_error_of_the_connection_shows_no_url_and_a_stalled_body_ends() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // The first connection closes in the head, the second stalls in the body.
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200").await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await;
        std::future::pending::<()>().await;
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = demur_client::Client::builder().http_client(http).build();
    let url = format!("http://{address}/?signature=s3cret");
    let post = || client.http().post(&url).body("{}");
    let head = client.send(post()).await.unwrap_err();
    let response = client.send_within(post(), Duration::from_millis(300)).await.unwrap();
    let body = response.bytes().await.unwrap_err();
    for (error, kind) in [(&head, NetworkKind::Broken), (&body, NetworkKind::Deadline)] {
        assert!(matches!(error, Error::Network(error) if error.kind == kind), "{error:?}");
        let mut texts = vec![format!("{error:?}")];
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = source {
            texts.push(error.to_string());
            source = error.source();
        }
        assert!(texts.iter().all(|text| !text.contains("s3cret")), "{texts:?}");
    }
}
