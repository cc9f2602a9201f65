//! Both sides over real sockets, each against bytes that were written by hand.
//! Long because each rule needs both ends of a connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

use std::time::{Duration, Instant};

use crate::{Framing, Limits, ParseError};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::transport::tests::Buffered;
use super::{After, ClientStream, Incoming, SendError, ServerLimits, ServerStream, Transport, WriteError};

const SOON: Duration = Duration::from_secs(5);

pub(super) fn limits() -> ServerLimits {
    ServerLimits {
        http: Limits::default(),
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(400),
        write_timeout: Duration::from_millis(200),
        drain_bytes: 64 * 1024,
        drain_timeout: Duration::from_millis(200),
        linger_bytes: 64 * 1024,
        linger_timeout: Duration::from_millis(200),
    }
}

/// Two ends of a connection.
pub(super) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Serves one connection: each request is answered with its method, target, body and trailers.
async fn echo(socket: impl Into<Transport>) {
    let connection = ServerStream::new(socket, &[], limits());
    loop {
        let text = match connection.next().await {
            Incoming::Closed => return,
            Incoming::Bad(bad) => format!("bad: {}", bad.error),
            Incoming::Request(request) => {
                let (head, body) = request.into_parts();
                if head.uri.path() == "/unread" {
                    drop(body);
                    "unread".to_owned()
                } else {
                    match body.collect().await {
                        Ok(collected) => {
                            let trailers = collected.trailers().map_or(0, HeaderMap::len);
                            let text = String::from_utf8_lossy(&collected.to_bytes()).into_owned();
                            format!("{} {} {text} {trailers}", head.method, head.uri)
                        }
                        Err(error) => format!("broken: {error}"),
                    }
                }
            }
        };
        let written = connection.write(Response::new(Full::new(Bytes::from(text)))).await;
        if !matches!(written, Ok(After::Request)) {
            return;
        }
    }
}

/// Everything that a server says to these bytes, until it closes: the same over a socket and over a stream with a buffer.
async fn conversation(bytes: &str) -> String {
    let plain = conversation_over(bytes, Transport::Tcp).await;
    let buffered = |tcp| Transport::Other(Box::new(Buffered { tcp, unsent: Vec::new() }));
    assert_eq!(plain, conversation_over(bytes, buffered).await);
    plain
}

async fn conversation_over(bytes: &str, transport: impl FnOnce(TcpStream) -> Transport) -> String {
    let (mut near, far) = pair().await;
    let far = transport(far);
    let talk = async {
        near.write_all(bytes.as_bytes()).await.unwrap();
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        without_dates(&said)
    };
    tokio::join!(timeout(SOON, echo(far)), talk).1
}

/// What a server said, without its `Date` headers, one of which every response has.
fn without_dates(said: &str) -> String {
    let lines = said.split_inclusive("\r\n");
    let (dates, others): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("date: "));
    assert_eq!(dates.len(), said.matches("HTTP/1.1 200").count(), "{said}");
    assert!(
        dates.iter().all(|line| httpdate::parse_http_date(line["date: ".len()..].trim()).is_ok()),
        "{said}"
    );
    others.concat()
}

#[tokio::test]
async fn answers_pipelined_requests_in_order() {
    let said = conversation(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
         POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nX-T: 1\r\n\r\n\
         GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    let bodies = ["POST /a hi 0", "POST /b ho 1", "GET /c  0"];
    let expected: Vec<String> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| {
            let close = if number == 2 { "connection: close\r\n" } else { "" };
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{close}\r\n{body}", body.len())
        })
        .collect();
    assert_eq!(said, expected.concat());
}

#[tokio::test]
async fn answers_bad_heads_after_good_ones_and_closes() {
    let said = conversation("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c").await;
    assert!(said.contains("GET /a  0") && said.contains("bad: HTTP/1.1 request without Host"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 200").count(), 2, "{said}");
    assert_eq!(said.matches("connection: close").count(), 1, "{said}");
    let slow = conversation("GET /a HTTP/1.1\r\nHos").await;
    assert!(slow.contains("bad: head was not complete in time"), "{slow}");
    assert_eq!(conversation("").await, "", "an idle connection closes without a word");
}

#[tokio::test]
async fn reports_bodies_that_break_their_framing() {
    let said = conversation("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert!(said.contains("broken: chunk size") && said.contains("connection: close"), "{said}");
}

#[tokio::test]
async fn continues_when_the_body_is_wanted_and_not_otherwise() {
    let head = |target| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
    };
    let (mut near, far) = pair().await;
    let talk = async {
        near.write_all(head("/a").as_bytes()).await.unwrap();
        let mut first = [0; 25];
        near.read_exact(&mut first).await.unwrap();
        near.write_all(b"hi").await.unwrap();
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        (first, said)
    };
    let ((), (first, said)) = tokio::join!(echo(far), talk);
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(said.ends_with("POST /a hi 0"), "{said}");
    let said = conversation(&head("/unread")).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("connection: close"), "{said}");
}

#[tokio::test]
async fn drains_a_body_that_nobody_reads_within_bounds() {
    let next = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let small =
        format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{}{next}", "x".repeat(100));
    let said = conversation(&small).await;
    assert!(said.contains("GET /b"), "{said}");
    let large = "x".repeat(100_000);
    let large = format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{large}{next}");
    let said = conversation(&large).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
}

#[tokio::test]
async fn a_reset_ends_the_work_at_once_and_a_half_close_does_not() {
    for (is_reset, expected) in [(true, None), (false, Some(7))] {
        let (mut near, far) = pair().await;
        near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let connection = ServerStream::new(far, &[], limits());
        assert!(matches!(connection.next().await, Incoming::Request(_)));
        let begun = Instant::now();
        let work = async {
            sleep(Duration::from_millis(300)).await;
            7
        };
        let end = async {
            sleep(Duration::from_millis(20)).await;
            if is_reset {
                near.set_zero_linger().unwrap();
                drop(near);
            } else {
                near.shutdown().await.unwrap();
                sleep(Duration::from_millis(400)).await;
            }
        };
        let (worked, ()) = tokio::join!(async { (connection.respond(work).await, begun.elapsed()) }, end);
        assert_eq!(worked.0, expected);
        assert!(!is_reset || worked.1 < Duration::from_millis(120), "{:?}", worked.1);
    }
}

/// A body of these pieces; an error after them where there is one.
fn pieces(
    pieces: &[&'static str],
    error: Option<&'static str>,
) -> impl http_body::Body<Data = Bytes, Error = &'static str> {
    let data = pieces.iter().map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))));
    StreamBody::new(futures_util::stream::iter(data.chain(error.map(Err)).collect::<Vec<_>>()))
}

#[tokio::test]
async fn a_body_that_fails_first_is_the_callers_and_later_breaks_the_connection() {
    let (mut near, far) = pair().await;
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let connection = ServerStream::new(far, &[], limits());
    assert!(matches!(connection.next().await, Incoming::Request(_)));
    let failed = connection.write(Response::new(pieces(&[], Some("early")))).await;
    assert!(matches!(failed, Err(WriteError::Body("early"))));
    // Nothing was sent, so another response may be.
    let failed = connection.write(Response::new(pieces(&["part"], Some("late")))).await;
    assert!(matches!(failed, Err(WriteError::Body("late"))));
    drop(connection);
    let mut said = String::new();
    near.read_to_string(&mut said).await.unwrap();
    assert!(!said.contains("0\r\n\r\n") && said.matches("HTTP/1.1").count() <= 1, "{said}");
}

/// What became of a request to an upstream that says this; and whether its connection may be used again.
async fn asked(said: &'static str) -> Result<(u16, Vec<u16>, Result<String, String>, bool), String> {
    let (near, mut far) = pair().await;
    let answer = async {
        let mut read = [0; 512];
        let count = far.read(&mut read).await.unwrap();
        far.write_all(said.as_bytes()).await.unwrap();
        (String::from_utf8_lossy(&read[..count]).into_owned(), far)
    };
    let ask = async {
        let request = Request::post("/a?b").header("host", "u").body(Full::new(Bytes::from("hi"))).unwrap();
        let (head, body) = request.into_parts();
        let mut interim = Vec::new();
        let sent = ClientStream::new(near)
            .send(&head, body, Limits::default(), |status, _| interim.push(status.as_u16()))
            .await;
        let mut response = match sent {
            Ok(response) => response,
            Err(SendError::Closed(error)) => return Err(format!("closed: {error}")),
            Err(SendError::Invalid(error)) => return Err(format!("invalid: {error}")),
            Err(error) => return Err(format!("{error:?}")),
        };
        let body = response.body_mut().collect().await;
        let body = body
            .map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned())
            .map_err(|error| error.to_string());
        let is_idle = response.body_mut().take_idle().is_some();
        Ok((response.status().as_u16(), interim, body, is_idle))
    };
    let both = async {
        let ask = async { timeout(SOON, ask).await.unwrap() };
        let answer = async {
            let (read, far) = answer.await;
            assert_eq!(read, "POST /a?b HTTP/1.1\r\nhost: u\r\ncontent-length: 2\r\n\r\nhi");
            sleep(Duration::from_millis(50)).await;
            drop(far);
        };
        tokio::join!(ask, answer).0
    };
    both.await
}

#[tokio::test]
async fn reads_responses_and_keeps_sound_connections() {
    let ok = |text: &str, idle| Ok((200, vec![], Ok(text.to_owned()), idle));
    for (said, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho", ok("ho", true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ok("", true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhoho", ok("ho", false)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nho", ok("ho", false)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n\r\n", ok("ho", true)),
        ("HTTP/1.1 200 OK\r\n\r\nho", ok("ho", false)),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            Ok((204, vec![103], Ok(String::new()), true)),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nho",
            Ok((200, vec![], Err("connection ended within the body".to_owned()), false)),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Len", Err("invalid: connection ended within the head".to_owned())),
        ("", Err("closed: connection ended before the response".to_owned())),
        ("hello\r\n\r\n", Err("invalid: the first line is not an HTTP/1 start line".to_owned())),
    ] {
        assert_eq!(asked(said).await, expected, "{said:?}");
    }
}

#[tokio::test]
async fn notices_that_an_idle_connection_was_closed() {
    let (near, far) = pair().await;
    let mut connection = ClientStream::new(near);
    assert!(!connection.is_stale());
    drop(far);
    sleep(Duration::from_millis(50)).await;
    assert!(connection.is_stale());
}

#[tokio::test]
async fn relays_while_both_bodies_are_under_way() {
    // An upstream that echoes each chunk before it has read the next.
    let (near, mut far) = pair().await;
    let upstream = async {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            read.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut read = [0; 6];
        for _ in 0..3 {
            far.read_exact(&mut read).await.unwrap();
            far.write_all(&read).await.unwrap();
        }
        far.write_all(b"0\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        far
    };
    let (sender, receiver) =
        futures_channel::mpsc::unbounded::<Result<http_body::Frame<Bytes>, &'static str>>();
    let ask = async {
        let request = Request::post("/").header("host", "u").body(StreamBody::new(receiver)).unwrap();
        let connection = ClientStream::new(near);
        let (head, body) = request.into_parts();
        let mut response = connection.send(&head, body, Limits::default(), |_, _| {}).await.unwrap();
        let mut heard = 0;
        for _ in 0..3 {
            sender.unbounded_send(Ok(http_body::Frame::data(Bytes::from_static(b"x")))).unwrap();
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            heard += frame.data_ref().map_or(0, Bytes::len);
        }
        drop(sender);
        assert!(response.body_mut().frame().await.is_none());
        (heard, response.body_mut().take_idle().is_some())
    };
    let (asked, _far) = timeout(SOON, async { tokio::join!(ask, upstream) }).await.unwrap();
    assert_eq!(asked.0, 3);
}

#[tokio::test]
async fn forwards_interim_responses() {
    let (mut near, far) = pair().await;
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let connection = ServerStream::new(far, &[], limits());
    assert!(matches!(connection.next().await, Incoming::Request(_)));
    let headers = HeaderMap::from_iter([(http::header::LINK, HeaderValue::from_static("</a>"))]);
    connection.interim(StatusCode::EARLY_HINTS, &headers);
    let written = connection.write(Response::new(Full::new(Bytes::new()))).await;
    assert!(matches!(written, Ok(After::Closed)));
    let mut said = String::new();
    near.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"), "{said}");
}

#[path = "../../tests/cases/mod.rs"]
mod cases;

/// The types of the crate `http` hold every head that is accepted: none of its headers is lost.
#[test]
fn every_accepted_head_fits_the_types() {
    let mut seen = 0;
    for (name, bytes, expected) in cases::all() {
        let mut headers = crate::Headers::new();
        let parsed = crate::RequestParser::new().parse(&bytes, &Limits::default(), &mut headers);
        let Ok(Some(head)) = parsed else { continue };
        let bytes = Bytes::from(bytes);
        let map = super::maps::header_map(&headers, &bytes);
        assert_eq!(map.len(), headers.len(), "{name}: {expected:?}");
        let target = bytes.slice_ref(head.target.in_bytes(&bytes));
        assert!(http::Uri::from_maybe_shared(target).is_ok(), "{name}");
        assert!(http::Method::from_bytes(head.method.in_bytes(&bytes)).is_ok(), "{name}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
    for byte in 0..=255u8 {
        let fits = HeaderValue::from_bytes(&[byte]).is_ok();
        assert!(fits || !crate::characters::in_value(byte), "{byte}");
        let fits = http::HeaderName::from_bytes(&[byte]).is_ok();
        assert!(fits || !crate::characters::is(byte, crate::characters::TOKEN), "{byte}");
    }
}

#[tokio::test]
async fn trailers_reach_only_clients_that_asked_for_them() {
    for (te, expected) in [("", false), ("TE: trailers\r\n", true), ("TE: gzip, Trailers\r\n", true)] {
        let (mut near, far) = pair().await;
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{te}Connection: close\r\n\r\n");
        near.write_all(request.as_bytes()).await.unwrap();
        let connection = ServerStream::new(far, &[], limits());
        assert!(matches!(connection.next().await, Incoming::Request(_)));
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]);
        let frames = [http_body::Frame::data(Bytes::from_static(b"x")), http_body::Frame::trailers(trailers)];
        let frames = frames.map(Ok::<_, &str>);
        let body = StreamBody::new(futures_util::stream::iter(frames));
        assert!(matches!(connection.write(Response::new(body)).await, Ok(After::Closed)));
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        assert_eq!(said.contains("0\r\netag: 1\r\n"), expected, "{said}");
        assert!(said.ends_with("\r\n\r\n"), "{said}");
    }
}

#[tokio::test]
async fn exchanges_over_a_stream_with_a_buffer() {
    let (near, far) = pair().await;
    let near = Transport::Other(Box::new(Buffered { tcp: near, unsent: Vec::new() }));
    let text = "long ".repeat(20_000);
    let request = Request::post("/a").header("host", "a").body(()).unwrap().into_parts().0;
    let talk = async {
        let mut connection = ClientStream::new(near);
        assert!(!connection.is_stale());
        let body = Full::new(Bytes::from(text.clone()));
        let response = connection.send(&request, body, Limits::default(), |_, _| {}).await.unwrap();
        let (_, mut body) = response.into_parts();
        let answer = (&mut body).collect().await.unwrap().to_bytes();
        assert!(answer.ends_with(b"long  0"), "the whole body came back");
        assert_eq!(answer.len(), "POST /a ".len() + text.len() + " 0".len());
        let mut connection = body.take_idle().unwrap();
        assert!(!connection.is_stale());
    };
    tokio::join!(timeout(SOON, echo(far)), talk).1;
}
