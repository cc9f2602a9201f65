//! `Via` and the headers that describe to the upstream how the client sees the API.

use demur_e2e::{MockResponse, Request};

use crate::shop::Shop;

const FORGED: [(&str, &str); 6] = [
    ("X-Forwarded-For", "198.51.100.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
    ("X-Forwarded-Port", "8443"),
    ("X-Forwarded-Prefix", "/eu"),
    ("Forwarded", "for=198.51.100.9;host=other.example;proto=https"),
];

/// What the upstream gets of a request with these headers.
fn received(shop: &Shop, headers: &[(&str, &str)]) -> Vec<(&'static str, Option<String>)> {
    shop.upstream_does(MockResponse::response(200, &[], "{}"));
    let request = Request::get("/items").key(&shop.key);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(shop.send(&request).status, 200);
    let sent = shop.last().headers;
    let names = [
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "forwarded",
    ];
    names
        .map(|name| (name, Some(sent.all(name).collect::<Vec<_>>().join("|")).filter(|it| !it.is_empty())))
        .into()
}

fn rows(values: [&str; 7]) -> Vec<(&'static str, Option<String>)> {
    let names = [
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "forwarded",
    ];
    names.into_iter().zip(values.map(|value| Some(value.to_owned()))).collect()
}

/// spring-cloud/spring-cloud-gateway#4267: removed for untrusted clients, and not made again. traefik/traefik#11253: an
/// untrusted `X-Forwarded-Prefix` passed.
#[test]
fn untrusted_clients_cannot_say_how_they_came() {
    let shop = Shop::open("", "");
    let host = shop.gateway().address().to_string();
    let port = shop.gateway().address().port().to_string();
    let forwarded = format!("for=127.0.0.1;host=\"{host}\";proto=http");
    for headers in [&[][..], &FORGED] {
        let expected = rows(["1.1 demur", "127.0.0.1", "http", &host, &port, "/shop", &forwarded]);
        assert_eq!(received(&shop, headers), expected, "{headers:?}");
    }
}

/// bnema/gordon#159: `https` of the proxy that ends TLS became `http`.
#[test]
fn trusted_proxies_say_how_the_client_came() {
    let shop = Shop::open("trusted_proxies: { networks: [127.0.0.1] }\n", "");
    let all = rows([
        "1.0 edge|1.1 demur",
        "198.51.100.9",
        "https",
        "shop.example",
        "8443",
        "/eu/shop",
        "for=198.51.100.9;host=shop.example;proto=https",
    ]);
    let with_via: Vec<(&str, &str)> = [("Via", "1.0 edge")].into_iter().chain(FORGED).collect();
    assert_eq!(received(&shop, &with_via), all);
    // nginx sends these two alone in most configurations.
    let some = [("X-Forwarded-For", "198.51.100.9"), ("X-Forwarded-Proto", "https")];
    let host = shop.gateway().address().to_string();
    let port = shop.gateway().address().port().to_string();
    let forwarded = format!("for=198.51.100.9;host=\"{host}\";proto=https");
    assert_eq!(
        received(&shop, &some),
        rows(["1.1 demur", "198.51.100.9", "https", &host, &port, "/shop", &forwarded])
    );
}
