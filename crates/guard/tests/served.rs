//! The guard in its place: between a socket and a real hyper server. The clock is paused, so that time-outs
//! take no time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

#[path = "../../http1/tests/cases/mod.rs"]
mod cases;
mod server;

use std::time::Duration;

use cases::Expected;
use demur_guard::{Framing, Guard, HeadLimits, ParseError};
use server::{answers, exchange, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn check(name: &str, sent: impl AsRef<[u8]>, expected: &[&str]) {
    for open in [true, false] {
        let received = exchange(sent.as_ref(), open).await;
        assert_eq!(answers(&received), expected, "{name}, open: {open}");
    }
}

/// hyper never answers by itself: each row reaches the service, as a request or as its rejection.
#[tokio::test(start_paused = true)]
async fn every_row_of_the_table_reaches_the_service() {
    for (name, mut bytes, expected) in cases::all() {
        let expected = match expected {
            Expected::Bad(fault) => format!("{} [{fault:?}]", fault.kind().status()),
            Expected::Good(Framing::Length(length)) if length > 9 => {
                "400 [content Some(BodyTruncated)]".into()
            }
            Expected::Good(framing) => {
                let content: &[u8] = match framing {
                    Framing::None => b"",
                    Framing::Length(length) => &b"123456789"[..length as usize],
                    Framing::Chunked => b"3\r\nabc\r\n0\r\n\r\n",
                };
                bytes.extend_from_slice(content);
                "200".into()
            }
            Expected::Incomplete => continue,
        };
        let received = exchange(&bytes, false).await.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
        let [answer] = &answers(&received)[..] else { panic!("{name}: {received}") };
        assert!(answer.starts_with(&expected), "{name}: {answer}, not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_before_a_bad_one_are_answered_first_and_nothing_after_it() {
    let bad = "G(T / HTTP/1.1\r\nHost: a\r\n\r\n";
    let sent = [GOOD, GOOD, bad, GOOD, GOOD].concat();
    check("good good bad", sent, &["200 [GET /good 0]", "200 [GET /good 0]", "400 [Method]"]).await;
    let posts = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".repeat(2) + bad;
    check("with content", posts, &["200 [POST /p 5]", "200 [POST /p 5]", "400 [Method]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_closes_the_connection() {
    let received = exchange(b"GET / HTTP/1.1\r\n\r\n", true).await;
    assert!(received.to_ascii_lowercase().contains("connection: close\r\n"), "{received}");
    assert_eq!(answers(&received), ["400 [HostMissing]"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_head_request_is_answered_without_content() {
    check("HEAD", "HEAD / HTTP/1.1\r\n\r\n", &["400"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_client_is_answered_in_its_version() {
    let received = exchange(b"GET /# HTTP/1.0\r\n\r\n", true).await;
    assert!(received.starts_with("HTTP/1.0 400 "), "{received}");
}

#[tokio::test(start_paused = true)]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let sent =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET";
    check("both", sent, &["400 [LengthAndEncoding]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_answered_at_once() {
    check("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &["400 [Tls]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_truncated_head_is_answered_to_a_client_that_still_reads() {
    let received = exchange(b"GET / HTTP/1.1\r\nHost", false).await;
    assert_eq!(answers(&received), ["400 [HeadTruncated]"]);
    assert_eq!(exchange(b"", false).await, "");
    assert_eq!(exchange(b"\r\n", false).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_after_its_time_however_it_drips() {
    let (client, server) = tokio::io::duplex(1024);
    tokio::spawn(serve(server, HeadLimits::default()));
    // The time before the first byte does not count.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let start = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move {
        for byte in GOOD.bytes() {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut received = [0; 512];
    let count = reader.read(&mut received).await.unwrap();
    assert_eq!(answers(&String::from_utf8_lossy(&received[..count])), ["408 [HeadSlow]"]);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(11), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    for sent in ["", GOOD] {
        let start = Instant::now();
        let received = exchange(sent.as_bytes(), true).await;
        assert_eq!(answers(&received).len(), sent.len().min(1));
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(75) && waited < Duration::from_secs(76), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_arrive_whole_and_the_next_request_after_them() {
    let sent = format!("{CHUNKED}5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n{GOOD}");
    check("chunks", sent, &["200 [POST /c 11]", "200 [GET /good 0]"]).await;
}

#[tokio::test(start_paused = true)]
async fn much_content_arrives_unchanged() {
    let content: String = (0..200_000).map(|number| format!("{number};")).collect();
    let chunks: String = content
        .as_bytes()
        .chunks(7777)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).unwrap()))
        .collect();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    let with_length = format!("{head}Content-Length: {}\r\n\r\n{content}", content.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let received = exchange(format!("{with_length}{chunked}{GOOD}").as_bytes(), false).await;
    let echo = format!("200 {content}");
    assert!(answers(&received) == [&echo, &echo, "200 [GET /good 0]"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_chunk_ends_the_content_and_the_connection() {
    let rows = [
        ("no number", "x\r\n", "ChunkSize"),
        ("a sign", "+5\r\nhello\r\n", "ChunkSize"),
        ("a prefix", "0x5\r\nhello\r\n", "ChunkSize"),
        ("too great", "fffffffffffffffff\r\n", "ChunkSize"),
        ("bare LF after the size", "5\nhello\r\n", "ChunkLineEnd"),
        ("bare LF after the data", "5\r\nhello\n0\r\n\r\n", "ChunkEnd"),
        ("more data than the size", "3\r\nhello\r\n0\r\n\r\n", "ChunkEnd"),
        ("bare LF at the end", "0\r\n\n", "ChunkLineEnd"),
        ("LF within an extension", "5;a\nb\r\nhello\r\n", "ChunkLineEnd"),
        ("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", "Trailer"),
        ("a trailer that frames", "0\r\nContent-Length: 5\r\n\r\n", "TrailerForbidden"),
    ];
    for (name, content, fault) in rows {
        let sent = format!("{CHUNKED}5\r\nhello\r\n{content}{GOOD}");
        check(name, sent, &[&format!("400 [content Some({fault})]")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_ends_early_is_told_apart() {
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello";
    let received = exchange(sent.as_bytes(), false).await;
    assert_eq!(answers(&received), ["400 [content Some(BodyTruncated)]"]);
}

#[tokio::test(start_paused = true)]
async fn unread_content_never_becomes_a_request() {
    // More than hyper drains by itself, and made of good requests.
    let content = GOOD.repeat(2000);
    let head = format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", content.len());
    let received = exchange((head + &content).as_bytes(), true).await;
    assert_eq!(answers(&received), ["200 [unread]"]);
}

#[tokio::test]
async fn no_reset_destroys_an_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, HeadLimits::default()));
        }
    });
    for _ in 0..50 {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        // What is still under way when the server has answered.
        client.write_all(&[b'x'; 20_000]).await.unwrap();
        client.readable().await.unwrap();
        client.write_all(&[b'x'; 20_000]).await.unwrap();
        let mut received = String::new();
        client.read_to_string(&mut received).await.unwrap();
        assert_eq!(answers(&received), ["400 [HostMissing]"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_closes_is_lingered_for_no_longer_than_the_bound() {
    // The second is one second after its time is up.
    for (sent, seconds) in [("GET / HTTP/1.1\r\n\r\n", 1), ("GET / HTTP/1.1\r\n", 11)] {
        let (mut client, server) = tokio::io::duplex(1024);
        let serving = tokio::spawn(serve(server, HeadLimits::default()));
        client.write_all(sent.as_bytes()).await.unwrap();
        let start = Instant::now();
        serving.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds, "{sent}");
    }
}

/// Each wait has its own time: neither that of the last idle wait nor that of the last head goes on.
#[tokio::test(start_paused = true)]
async fn time_starts_anew_with_each_message() {
    let (mut client, server) = tokio::io::duplex(1024);
    tokio::spawn(serve(server, HeadLimits::default()));
    let mut received = [0; 512];
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (first, second) = GOOD.split_at(9);
        client.write_all(first.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
        // The rest, and the beginning of a head that is late, too, but not over its own time.
        client.write_all(format!("{second}{first}").as_bytes()).await.unwrap();
        let count = client.read(&mut received).await.unwrap();
        assert_eq!(answers(&String::from_utf8_lossy(&received[..count])), ["200 [GET /good 0]"]);
        tokio::time::sleep(Duration::from_secs(9)).await;
        client.write_all(second.as_bytes()).await.unwrap();
        let count = client.read(&mut received).await.unwrap();
        assert_eq!(answers(&String::from_utf8_lossy(&received[..count])), ["200 [GET /good 0]"]);
    }
}

/// After a 101 the bytes are another protocol's, those included that came together with the request.
#[tokio::test(start_paused = true)]
async fn after_an_upgrade_bytes_pass_unexamined() {
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};

    let (mut client, server) = tokio::io::duplex(1024);
    let guard = Guard::new(server, HeadLimits::default());
    let rejections = guard.rejections();
    let service = service_fn(move |request: Request<Incoming>| {
        assert_eq!(rejections.next(), None);
        rejections.transparent();
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(request).await.unwrap();
            let parts = upgraded.downcast::<Guard<tokio::io::DuplexStream>>().unwrap();
            let (mut io, held) = parts.io.into_inner();
            io.write_all(&parts.read_buf).await.unwrap();
            io.write_all(&held).await.unwrap();
            let mut more = [0; 16];
            let count = io.read(&mut more).await.unwrap();
            io.write_all(&more[..count]).await.unwrap();
        });
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", "echo".parse().unwrap());
        response.headers_mut().insert("connection", "upgrade".parse().unwrap());
        std::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let builder = {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.half_close(true);
        builder
    };
    tokio::spawn(builder.serve_connection(guard, service).with_upgrades());
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    client.write_all(format!("{head}\x16\0early").as_bytes()).await.unwrap();
    let mut received = [0; 256];
    let mut all = Vec::new();
    while !all.ends_with(b"early") {
        let reading = tokio::time::timeout(Duration::from_secs(5), client.read(&mut received));
        let count = reading.await.unwrap().unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&received[..count]);
    }
    client.write_all(b"\0later").await.unwrap();
    let count = client.read(&mut received).await.unwrap();
    assert_eq!(&received[..count], b"\0later");
    assert!(all.starts_with(b"HTTP/1.1 101 ") && all.ends_with(b"\r\n\r\n\x16\0early"));
}
