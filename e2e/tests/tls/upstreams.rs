//! TLS to upstreams, Unix sockets, and the choice of `Host`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use demur_e2e::{Authority, Client, Gateway, MockResponse, Request, TestDir, Upstream, contract};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items: { get: { operationId: list, responses: { '200': { description: All. } } } }
";

/// Serves with this `upstream`.
fn serve(folder: TestDir, upstream: &str) -> (Gateway, Client) {
    folder.write("openapi.yaml", DOCUMENT);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
limits: {{ max_queue_delay: 1m }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {upstream}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ list: {{ anonymous: true }} }}
"
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    (gateway, client)
}

fn echo_host(upstream: &demur_e2e::Received) -> MockResponse {
    MockResponse::response(200, &[], upstream.headers.first("host").unwrap_or_default())
}

#[test]
fn forwards_over_tls_to_servers_that_it_trusts() {
    let (authority, folder) = (Authority::new(), TestDir::empty());
    folder.write("roots.pem", authority.certificate());
    let own = authority.issue(&["gateway.internal"]);
    folder.write("gateway.pem", &own.certificate);
    folder.write_secret("gateway.key", &own.key);
    let tls = authority.server(&authority.issue(&["shop.internal"]), true);
    let upstream = Upstream::start_tls(tls, echo_host);
    let settings = format!(
        "{{ url: \"https://{}/v1\", tls: {{ roots: roots.pem, server_name: shop.internal, certificate: gateway.pem, \
         key: gateway.key }} }}",
        upstream.address()
    );
    let (_gateway, client) = serve(folder, &settings);
    let mut connection = client.connect();
    for _ in 0..3 {
        let response = connection.send(&Request::get("/items"));
        assert_eq!((response.status, response.text()), (200, upstream.address().to_string()));
    }
    assert_eq!(upstream.last().target, "/v1/items");
}

/// The operator has to fix each of them: the client's error is that the upstream cannot be reached, and the log has the cause.
#[test]
fn rejects_servers_that_it_does_not_trust() {
    let (authority, other) = (Authority::new(), Authority::new());
    let name = &["127.0.0.1"];
    let good = authority.issue(name);
    let requires = authority.server(&good, true);
    for (what, server, condition, cause) in [
        (
            "expired",
            authority.server(&authority.issue_valid(name, -20, -10), false),
            "unreachable",
            "expired",
        ),
        (
            "future",
            authority.server(&authority.issue_valid(name, 10, 20), false),
            "unreachable",
            "not valid yet",
        ),
        (
            "another name",
            authority.server(&authority.issue(&["shop.example"]), false),
            "unreachable",
            "not valid for name",
        ),
        ("another authority", other.server(&other.issue(name), false), "unreachable", "UnknownIssuer"),
        ("client certificate", requires, "invalid_response", "CertificateRequired"),
    ] {
        let folder = TestDir::empty();
        folder.write("roots.pem", authority.certificate());
        let upstream = Upstream::start_tls(server, echo_host);
        let settings = format!("{{ url: \"https://{}\", tls: {{ roots: roots.pem }} }}", upstream.address());
        let (gateway, client) = serve(folder, &settings);
        let response = client.send(&Request::get("/items"));
        assert_eq!(response.status, 502, "{what}: {response:?}");
        let logged = gateway.logged(response.header("x-request-id"));
        assert_eq!(logged["condition"], format!("upstream.{condition}"), "{what}: {logged}");
        let told = logged["cause"].as_str().unwrap_or_default();
        assert!(
            told.to_lowercase().replace(' ', "").contains(&cause.to_lowercase().replace(' ', "")),
            "{what}: {logged}"
        );
        assert_eq!(upstream.count(), 0, "{what}");
    }
}

#[test]
fn plain_servers_and_silent_ones_fail_the_handshake() {
    let plain = Upstream::always(MockResponse::response(400, &[], "no"));
    // Nobody accepts its connections.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, cause) in
        [(plain.address(), "TLS handshake failed"), (silent.local_addr().unwrap(), "connect timeout")]
    {
        // Trust does not matter here, and some systems have no root certificates.
        let folder = TestDir::empty();
        folder.write("roots.pem", Authority::new().certificate());
        let settings =
            format!("{{ url: \"https://{address}\", connect_timeout: 500ms, tls: {{ roots: roots.pem }} }}");
        let (gateway, client) = serve(folder, &settings);
        let response = client.send(&Request::get("/items"));
        assert_eq!(response.status, 502, "{response:?}");
        let logged = gateway.logged(response.header("x-request-id"));
        assert_eq!(logged["condition"], "upstream.unreachable", "{logged}");
        assert!(logged["cause"].as_str().unwrap_or_default().contains(cause), "{logged}");
    }
}

#[test]
fn forwards_to_unix_sockets() {
    let folder = TestDir::empty();
    let path = folder.path().join("shop.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    let host = String::from_utf8_lossy(&buffer).contains("\r\nhost: localhost\r\n");
                    let body = if host { "socket" } else { "other" };
                    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                }
            });
        }
    });
    let (_gateway, client) = serve(folder, &format!("\"unix:{}\"", path.display()));
    let mut connection = client.connect();
    for _ in 0..3 {
        let response = connection.send(&Request::get("/items"));
        assert_eq!((response.status, &*response.text()), (200, "socket"));
    }
    drop(std::fs::remove_file(&path));
}

#[test]
fn host_is_that_of_the_endpoint_or_of_the_client_or_fixed() {
    let upstream = Upstream::start(echo_host);
    let address = upstream.address().to_string();
    for (choice, expected) in [
        ("endpoint", &*address),
        ("client", "api.example:8080"),
        ("shop.internal", "shop.internal"),
        ("shop.internal:8443", "shop.internal:8443"),
    ] {
        let settings = format!("{{ url: \"http://{address}\", host: \"{choice}\" }}");
        let (_gateway, client) = serve(TestDir::empty(), &settings);
        let response = client.send(&Request::get("/items").header("Host", "api.example:8080"));
        assert_eq!((response.status, &*response.text()), (200, expected), "{choice}");
        assert_eq!(upstream.last().headers.first("x-forwarded-host"), Some("api.example:8080"));
    }
}
