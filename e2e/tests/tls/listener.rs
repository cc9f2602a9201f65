//! What a listener with TLS does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use demur_e2e::{Authority, Client, MockResponse, Request, TestDir, Upstream, contract};

use crate::shop::{client, serve, write};

#[test]
fn serves_requests_as_over_plain_http() {
    let upstream = Upstream::start(|request| MockResponse::response(200, &[], &request.body));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "");
    let client = client(&gateway, &authority, "shop.example");

    // One connection for all of them, with bodies that take many records.
    let mut connection = client.connect();
    assert_eq!(connection.send(&Request::get("/items")).status, 200);
    let headers = upstream.last().headers;
    assert_eq!(headers.first("x-forwarded-proto"), Some("https"));
    assert_eq!(headers.first("x-forwarded-port"), Some(&*gateway.address().port().to_string()));
    assert!(headers.first("forwarded").is_some_and(|value| value.ends_with("proto=https")));
    for length in [0, 1, 20_000, 3_000_000] {
        let sent: Vec<u8> = (0..length).map(|number: u32| number.to_le_bytes()[0]).collect();
        let request = Request::post("/items").body("application/octet-stream", sent.clone());
        assert!(connection.send(&request).body == sent, "{length} bytes came back");
        assert!(connection.send(&request.chunked()).body == sent, "{length} bytes came back");
    }
    // Rejections are in the contract: of the engine, and of the parser.
    assert_eq!(connection.send(&Request::get("/nothing")).status, 404);
    let mut connection = client.connect();
    connection.write(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(connection.read("GET").status, 400);
    assert_eq!(connection.closed_within(Duration::from_secs(10)).unwrap(), b"", "TLS ends as it should");
}

#[test]
fn chooses_the_certificate_by_the_name_that_the_client_asks_for() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (one, two, folder) = (Authority::new(), Authority::new(), TestDir::empty());
    write(&folder, "one", &one.issue(&["a.example", "*.wild.example"]));
    write(&folder, "two", &two.issue(&["b.example", "exact.wild.example"]));
    let gateway = serve(folder, &["one", "two"], &upstream, "");
    for (authority, name, is_trusted) in [
        (&one, "a.example", true),
        (&one, "A.Example", true),
        (&one, "x.wild.example", true),
        (&two, "b.example", true),
        (&two, "exact.wild.example", true),
        (&one, "b.example", false),
        (&two, "a.example", false),
        (&two, "x.wild.example", false),
        // A wildcard stands for one label; clients that ask for another name get the first certificate.
        (&one, "x.y.wild.example", false),
        (&one, "c.example", false),
    ] {
        let connection = client(&gateway, authority, name).try_connect();
        assert_eq!(connection.is_ok(), is_trusted, "{name}: {:?}", connection.err());
        if let Ok(mut connection) = connection {
            assert_eq!(connection.send(&Request::get("/items")).status, 200, "{name}");
        }
    }
    gateway.reveals("tls handshake failed");
}

/// One port serves with TLS, another one without.
#[test]
fn listeners_choose_tls_each() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "");
    let folder = gateway.kill();
    folder.edit("listen: {", "listen:\n  inner: \"127.0.0.1:0\"\n  public: {");
    let outcome = demur_e2e::run(&["check", "demur.yaml"], folder.path());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn answers_plain_http_on_a_tls_port_in_the_contract() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "");
    let plain = Client::new(gateway.address(), "/shop", contract("problem"));
    let mut connection = plain.connect();
    let response = connection.send(&Request::get("/items"));
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!(response.header("connection"), "close");
    let logged = gateway.logged(response.header("x-request-id"));
    assert_eq!(logged["condition"], "request.malformed");
    assert!(logged["cause"].as_str().unwrap().starts_with("plain HTTP request on a TLS port"), "{logged}");
    connection.closed_within(Duration::from_secs(10)).unwrap();
    assert_eq!(upstream.count(), 0);
}

/// Whatever comes instead of a handshake ends the connection in time, and holds up nobody.
#[test]
fn bounds_handshakes() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "workers: 1\nlimits: { header_timeout: 300ms }");
    let record = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[22, 3, 1][..], &length, content].concat()
    };
    let mut connections = Vec::new();
    for bytes in [
        // Nothing, the beginning of a record, a record that is no hello, one that is too long, and an endless hello.
        Vec::new(),
        vec![22, 3],
        record(&[9, 0, 0, 1, 0]),
        vec![22, 3, 3, 255, 255],
        record(&[1, 255, 255, 255]),
    ] {
        let mut connection = TcpStream::connect(gateway.address()).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.write_all(&bytes).unwrap();
        connections.push((bytes, connection));
    }
    // Others are served meanwhile.
    let client = client(&gateway, &authority, "shop.example");
    assert_eq!(client.send(&Request::get("/items")).status, 200);
    for (bytes, mut connection) in connections {
        let mut rest = Vec::new();
        // An alert, or nothing; a reset counts as an end.
        if let Err(error) = connection.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{bytes:?}");
        }
    }
    gateway.reveals("no handshake within 300ms");
}

/// The client sees that nothing is missing, when its connection is idle for too long and when the gateway ends.
#[test]
fn ends_tls_when_it_closes_idle_connections() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "limits: { idle_timeout: 200ms }");
    let client = client(&gateway, &authority, "shop.example");
    let mut idle = client.connect();
    assert_eq!(idle.send(&Request::get("/items")).status, 200);
    assert_eq!(idle.closed_within(Duration::from_secs(20)).unwrap(), b"");
    let mut last = client.connect();
    gateway.terminate();
    assert_eq!(last.send(&Request::get("/items")).status, 200);
    assert_eq!(last.closed_within(Duration::from_secs(20)).unwrap(), b"");
    assert!(gateway.wait_for_exit().0.success());
}
