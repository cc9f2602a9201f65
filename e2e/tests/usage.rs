//! What a call costs: fixed or reported by the service, settled at the head or at the end, and what becomes
//! of it where the client goes away or the body is cut. A quota of successes goes by the same rule.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Gateway, MockResponse, NewKey, Request, TestDir, Upstream, contract};

/// Of the operation in the row's name, with ten credits at the most.
const OPERATIONS: [(&str, &str); 8] = [
    ("free", "cost: 1"),
    ("fixed", "credits: 10"),
    ("field", "credits: 10, usage: { header: X-Used }"),
    ("trailer", "credits: 10, usage: { trailer: X-Used }"),
    ("head", "credits: 10, usage: { header: X-Used, settle_at: head }"),
    ("strict", "credits: 10, usage: { header: X-Used, on_upstream_abort: charge }"),
    ("kind", "credits: 10, usage: { on_client_abort: release }"),
    (
        "kindtrailer",
        "credits: 10, usage: { trailer: X-Used, on_upstream_abort: charge, on_client_abort: release }",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Stays,
    /// Reads this much of a response, and is gone.
    Leaves(&'static str),
}

fn whole(headers: &[(&str, &str)]) -> MockResponse {
    MockResponse::response(200, headers, "hello")
}

fn chunked(head: &str, end: &str) -> MockResponse {
    MockResponse::bytes(format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n5\r\nhello\r\n0\r\n{end}\r\n"
    ))
}

/// Less than was announced, and the connection ends.
fn cut(head: &str) -> MockResponse {
    MockResponse::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n{head}\r\nhello")).and_closes()
}

/// The same of a body that is so short that it is passed on as a whole only: the client gets an error.
fn short_cut(head: &str) -> MockResponse {
    MockResponse::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n{head}\r\nhello")).and_closes()
}

/// A body that is longer than what the client reads.
fn endless(head: &str) -> MockResponse {
    let begin = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n5\r\nhello\r\n");
    let again =
        |reaction: MockResponse, _| reaction.and_wait(Duration::from_millis(20)).and("5\r\nagain\r\n");
    (0..500).fold(MockResponse::bytes(begin).after(Duration::from_millis(100)), again)
}

#[test]
fn charges_each_call_by_its_rules() {
    use Caller::{Leaves, Stays};
    let used = |value| [("X-Used", value)];
    // The operation, what the service does, who asks; the credits and the successes that it costs.
    let rows = [
        ("fixed", whole(&[]), Stays, 10, 1),
        ("fixed", whole(&used("3")), Stays, 10, 1),
        ("fixed", MockResponse::response(404, &[], ""), Stays, 0, 0),
        ("fixed", MockResponse::closes(), Stays, 0, 0),
        ("field", whole(&used("7")), Stays, 7, 1),
        ("field", whole(&used("0")), Stays, 0, 1),
        // More than is held cannot be taken; what is no number says nothing, and neither does nothing.
        ("field", whole(&used("99")), Stays, 10, 1),
        ("field", whole(&used("many")), Stays, 10, 1),
        ("field", whole(&used("-1")), Stays, 10, 1),
        ("field", whole(&[]), Stays, 10, 1),
        ("field", whole(&[("X-Used", "2"), ("X-Used", "3")]), Stays, 10, 1),
        ("field", MockResponse::response(500, &used("7"), ""), Stays, 0, 0),
        ("trailer", chunked("Trailer: X-Used\r\n", "X-Used: 4\r\n"), Stays, 4, 1),
        ("trailer", chunked("", "X-Used: 4\r\n"), Stays, 4, 1),
        ("trailer", chunked("", "X-Other: 4\r\n"), Stays, 10, 1),
        ("trailer", chunked("X-Used: 4\r\n", ""), Stays, 10, 1),
        ("trailer", whole(&[]), Stays, 10, 1),
        // The body is cut.
        ("fixed", cut(""), Stays, 0, 0),
        ("field", cut("X-Used: 7\r\n"), Stays, 0, 0),
        ("head", cut("X-Used: 7\r\n"), Stays, 7, 1),
        ("strict", cut("X-Used: 7\r\n"), Stays, 7, 1),
        ("strict", cut(""), Stays, 10, 1),
        ("kindtrailer", cut(""), Stays, 10, 1),
        ("fixed", short_cut(""), Stays, 0, 0),
        ("head", short_cut("X-Used: 7\r\n"), Stays, 0, 0),
        ("strict", short_cut("X-Used: 7\r\n"), Stays, 0, 0),
        ("kindtrailer", short_cut(""), Stays, 0, 0),
        // The client goes away: from the body, or before there is any.
        ("fixed", endless(""), Leaves("hello"), 10, 1),
        ("field", endless("X-Used: 7\r\n"), Leaves("hello"), 7, 1),
        ("head", endless("X-Used: 7\r\n"), Leaves("hello"), 7, 1),
        ("kind", endless(""), Leaves("hello"), 0, 0),
        ("kindtrailer", endless(""), Leaves("hello"), 0, 0),
        ("fixed", endless(""), Leaves(""), 10, 1),
        ("kind", endless(""), Leaves(""), 0, 0),
        ("kind", whole(&[]), Stays, 10, 1),
    ];
    let reactions: Vec<MockResponse> = rows.iter().map(|(_, reaction, ..)| reaction.clone()).collect();
    let upstream = Upstream::start(move |received| match received.headers.first("x-row") {
        Some(row) => reactions[row.parse::<usize>().unwrap()].clone(),
        None => whole(&[]),
    });
    let gateway = Gateway::serve(folder(&upstream));
    let client = Client::new(gateway.address(), "", contract("problem"));
    for (index, (operation, _, caller, credits, successes)) in rows.iter().enumerate() {
        let account = format!("account-{index}");
        gateway.folder().create_account(&account, "plenty");
        let key = NewKey { api: "calls", account: &account, ..NewKey::default() };
        let key = gateway.folder().create_key(&key).secret;
        let what = format!("row {index}: {:?}", rows[index]);
        let row = index.to_string();
        match caller {
            Caller::Stays => {
                let request = Request::get(&format!("/{operation}")).key(&key).header("X-Row", &row);
                // A truncated body is not a response.
                if let Ok(response) = client.try_send(&request) {
                    // Headers for the gateway are not forwarded.
                    let is_reported =
                        *operation != "fixed" && *operation != "kind" && *operation != "trailer";
                    assert!(
                        !is_reported || response.headers.first("x-used").is_none(),
                        "{what}: {response:?}"
                    );
                }
            }
            Caller::Leaves(after) => {
                let mut stream = TcpStream::connect(gateway.address()).unwrap();
                let head = format!("GET /{operation} HTTP/1.1\r\nHost: a\r\nX-Row: {row}\r\n");
                write!(stream, "{head}Authorization: Bearer {key}\r\n\r\n").unwrap();
                let (mut read, mut piece) = (Vec::new(), [0; 100]);
                while !String::from_utf8_lossy(&read).contains(after) {
                    let count = stream.read(&mut piece).unwrap();
                    read.extend_from_slice(&piece[..count]);
                }
                let is_sent = |received: &demur_e2e::Received| received.headers.first("x-row") == Some(&row);
                wait_until(&what, || upstream.received().iter().any(is_sent));
            }
        }
        let spent = || {
            let shown = gateway.folder().account(&account);
            (shown["credits"]["posted"].as_u64().unwrap(), shown["credits"]["held"].as_u64().unwrap())
        };
        wait_until(&what, || spent().1 == 0);
        assert_eq!(spent().0, *credits, "{what}");
        // Without being asked for them a service need not send trailers.
        let asks = upstream.last().headers.first("te").map(str::to_owned);
        assert_eq!(asks.as_deref(), operation.ends_with("trailer").then_some("trailers"), "{what}");
        // One look at the quota is one success more, each time.
        let mut looks = 0;
        wait_until(&what, || {
            let response = client.send(&Request::get("/free").key(&key));
            looks += 1;
            left(response.header("ratelimit")) + looks + successes == 1000
        });
    }
}

/// Of `"daily";r=7;t=9`.
fn left(header: &str) -> u64 {
    let (_, rest) = header.split_once("\"daily\";r=").unwrap_or_else(|| panic!("no quota: {header}"));
    rest.split(';').next().unwrap().parse().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn folder(upstream: &Upstream) -> TestDir {
    let folder = TestDir::empty();
    let path = |(name, _): &(&str, &str)| {
        format!(
            "  /{name}: {{ get: {{ operationId: {name}, responses: {{ '200': {{ description: It. }} }} }} }}\n"
        )
    };
    let paths: String = OPERATIONS.iter().map(path).collect();
    let head = "openapi: 3.1.0\ninfo: { title: Calls, version: '1' }\npaths:\n";
    folder.write("openapi.yaml", &format!("{head}{paths}"));
    let operations = OPERATIONS.map(|(name, settings)| format!("      {name}: {{ {settings} }}\n")).concat();
    let config = format!(
        "demur: 2
store: sqlite:demur.db
plans: {{ plenty: {{ credits: {{ monthly: 1000 }}, quota: {{ requests: 1000, counts: successes }} }} }}
apis:
  - name: calls
    contract: problem
    openapi: openapi.yaml
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: cll }}
    operations:
{operations}",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    folder
}
