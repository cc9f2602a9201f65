//! Allow and deny lists of client addresses, of an API and of a key.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use demur_e2e::{Client, Gateway, MockResponse, Request, TestDir, Upstream, contract};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths: { /items: { get: { operationId: list, responses: { '200': { description: All. } } } } }
";

/// Clients are behind a proxy, so that a test can have any address.
fn serve(addresses: &str, anonymous: bool) -> (Gateway, Client, Upstream) {
    let (folder, upstream) = (TestDir::empty(), Upstream::always(MockResponse::response(200, &[], "")));
    folder.write("openapi.yaml", DOCUMENT);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
limits: {{ max_queue_delay: 1m }}
trusted_proxies: {{ networks: [127.0.0.1] }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ list: {{ anonymous: {anonymous} }} }}
{addresses}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    (gateway, client, upstream)
}

fn from(address: &str) -> Request {
    Request::get("/items").header("x-forwarded-for", address)
}

#[test]
fn an_api_admits_only_allowed_addresses() {
    let lists =
        "    addresses: { allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: [10.9.0.0/16, \"2001:db8:9::1\"] }";
    let (gateway, client, upstream) = serve(lists, true);
    for (address, status) in [
        ("10.1.2.3", 200),
        ("10.9.2.3", 403),
        ("192.0.2.1", 403),
        ("2001:db8::7", 200),
        ("2001:db8:9::1", 403),
        ("2001:db8:9::2", 200),
        ("::ffff:10.1.2.3", 200),
        ("::ffff:10.9.2.3", 403),
        ("::ffff:192.0.2.1", 403),
        ("[2001:db8::7]:4711", 200),
        // Only the address that the proxy has added counts.
        ("10.1.2.3, 192.0.2.1", 403),
        ("192.0.2.1, 10.1.2.3", 200),
    ] {
        let forwarded = upstream.count();
        let response = client.send(&from(address));
        assert_eq!(response.status, status, "{address}: {}", response.text());
        if status == 403 {
            let logged = gateway.logged(response.header("x-request-id"));
            assert_eq!(logged["condition"], "permission.address", "{address}: {logged}");
            assert_eq!(upstream.count(), forwarded, "{address}");
        }
    }
    // Not even what there is, is told.
    assert_eq!(client.send(&Request::get("/missing").header("x-forwarded-for", "192.0.2.1")).status, 403);
}

#[test]
fn a_key_is_valid_only_from_its_addresses() {
    let (gateway, client, _upstream) = serve("", false);
    let folder = gateway.folder();
    folder.result(&["accounts", "create", "--id", "acme", "--name", "Acme"]);
    let create = |lists: &[&str]| {
        let arguments = [&["keys", "create", "--api", "shop", "--account", "acme"], lists].concat();
        folder.result(&arguments)
    };
    let everywhere = create(&[]);
    let limited = create(&[
        "--allow-address",
        "192.0.2.0/24",
        "--allow-address",
        "2001:db8::1",
        "--deny-address",
        "192.0.2.128/25",
    ]);
    let secret = |key: &serde_json::Value| key["secret"].as_str().unwrap().to_owned();
    for (key, address, status) in [
        (&everywhere, "198.51.100.1", 200),
        (&limited, "192.0.2.1", 200),
        (&limited, "::ffff:192.0.2.1", 200),
        (&limited, "192.0.2.200", 403),
        (&limited, "198.51.100.1", 403),
        (&limited, "2001:db8::1", 200),
        (&limited, "2001:db8::2", 403),
    ] {
        let response = client.send(&from(address).key(&secret(key)));
        assert_eq!(response.status, status, "{address}");
        if status == 403 {
            let logged = gateway.logged(response.header("x-request-id"));
            assert_eq!(logged["condition"], "permission.address", "{address}: {logged}");
        }
    }
    let invalid =
        folder.run(&["keys", "create", "--api", "shop", "--account", "acme", "--deny-address", "x.example"]);
    assert_eq!(invalid.code, Some(2), "{invalid:?}");
    let shown = folder.result(&["keys", "show", limited["key"]["id"].as_str().unwrap()]);
    let addresses =
        serde_json::json!({ "allow": ["192.0.2.0/24", "2001:db8::1/128"], "deny": ["192.0.2.128/25"] });
    assert_eq!(shown["grants"]["addresses"], addresses, "{shown}");
}
