//! The operations listener: health, the phases of a shutdown, and metrics, by Prometheus' own tool too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

mod health;
mod metrics;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use demur_e2e::{Client, MockResponse, NewKey, Program, Request, Response, TestDir, Upstream, contract};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items: { get: { operationId: list, responses: { '200': { description: All. } } } }
  /items/{id}:
    get:
      operationId: read
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { '200': { description: One. } }
  /pay: { get: { operationId: pay, responses: { '200': { description: Paid. } } } }
";

/// A gateway with an operations listener. `/items/N` is answered by the upstream with the status N.
struct Scene {
    _upstream: Upstream,
    folder: TestDir,
    program: Program,
    client: Client,
    operations: SocketAddr,
}

impl Scene {
    fn start(limits: &str) -> Self {
        let upstream = Upstream::start(|received| {
            let status = received.target.strip_prefix("/items/").and_then(|status| status.parse().ok());
            MockResponse::response(status.unwrap_or(200), &[], "")
        });
        let folder = TestDir::empty();
        folder.write("openapi.yaml", DOCUMENT);
        let config = format!(
            "demur: 2
operations_listener: 127.0.0.1:0
limits: {{ max_queue_delay: 60s{limits} }}
plans:
  free: {{ rates: [{{ requests: 5, per: 1h }}] }}
  open: {{ credits: {{ monthly: 1000 }} }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ pay: {{ credits: 3 }} }}
",
            upstream.address()
        );
        folder.write("demur.yaml", &config);
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--format", "json"];
        let mut program = Program::start(&arguments, folder.path());
        let ready: serde_json::Value = serde_json::from_str(&program.line()).unwrap();
        let address = |name: &str| {
            let url = ready[name].as_str().unwrap_or_else(|| panic!("{ready}"));
            url.strip_prefix("http://").unwrap().parse::<SocketAddr>().unwrap()
        };
        let client = Client::new(address("gateway"), "/shop", contract("problem"));
        Self { _upstream: upstream, folder, client, operations: address("operations"), program }
    }

    fn key(&self, account: &str, plan: &str) -> String {
        self.folder.create_account(account, plan);
        self.folder.create_key(&NewKey { api: "shop", account, ..NewKey::default() }).secret
    }

    fn get(&self, path: &str, key: &str) -> u16 {
        self.client.send(&Request::get(path).key(key)).status
    }

    /// A request to the operations listener.
    fn probe(&self, method: &str, path: &str) -> Response {
        self.try_probe(method, path).unwrap()
    }

    fn try_probe(&self, method: &str, path: &str) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect(self.operations)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Response::read(&bytes, method)
    }

    fn metrics(&self) -> String {
        let response = self.probe("GET", "/metrics");
        assert_eq!(response.status, 200, "{response:?}");
        response.text()
    }
}

/// Waits until series have these values: a request is counted when its response has ended, which a client may see before.
fn wait_for(scene: &Scene, expected: &[(&str, f64)]) -> String {
    let begun = std::time::Instant::now();
    loop {
        let metrics = scene.metrics();
        let found: Vec<_> = expected.iter().map(|(series, _)| (*series, value(&metrics, series))).collect();
        if found == expected {
            return metrics;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{found:#?}\n{metrics}");
    }
}

/// The value of a series, by its exact labels in the order of the text; -1 if there is none.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(-1.0, |value| value.parse().unwrap())
}
