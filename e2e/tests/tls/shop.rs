//! A small API behind TLS.

use demur_e2e::{Authority, Certified, Client, Gateway, TestDir, Upstream, contract};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items:
    get: { operationId: list, responses: { '200': { description: All. } } }
    post: { operationId: add, responses: { '200': { description: Made. } } }
";

/// Writes a certificate as `NAME.pem` and `NAME.key`.
pub(crate) fn write(folder: &TestDir, name: &str, certified: &Certified) {
    folder.write(&format!("{name}.pem"), &certified.certificate);
    folder.write_secret(&format!("{name}.key"), &certified.key);
}

/// The names of certificates in the order of the file.
pub(crate) fn serve(folder: TestDir, certificates: &[&str], upstream: &Upstream, top: &str) -> Gateway {
    let certificates: Vec<String> =
        certificates.iter().map(|name| format!("{{ certificate: {name}.pem, key: {name}.key }}")).collect();
    folder.write("openapi.yaml", DOCUMENT);
    // A busy machine sheds no load here.
    let own = "limits: { max_queue_delay: 1m";
    let top = match top.split_once("limits: {") {
        Some((before, after)) => format!("{before}{own},{after}"),
        None => format!("{top}\n{own} }}"),
    };
    let config = format!(
        "demur: 2
listen: {{ address: \"127.0.0.1:0\", tls: {{ certificates: [{}] }} }}
store: sqlite:demur.db
{top}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    max_body_bytes: 4MiB
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ list: {{ anonymous: true }}, add: {{ anonymous: true }} }}
",
        certificates.join(", "),
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    Gateway::serve(folder)
}

/// A client that trusts the authority and asks for this host.
pub(crate) fn client(gateway: &Gateway, authority: &Authority, name: &str) -> Client {
    Client::new(gateway.address(), "/shop", contract("problem")).secure(authority.client(), name)
}
