//! Certificates that are replaced while the gateway serves.

use std::thread::sleep;
use std::time::{Duration, Instant};

use demur_e2e::{Authority, Gateway, MockResponse, Request, TestDir, Upstream};

use crate::shop::{client, serve, write};

/// Waits until clients that trust the authority are served.
fn becomes_trusted(gateway: &Gateway, authority: &Authority, name: &str) {
    let since = Instant::now();
    while client(gateway, authority, name).try_connect().is_err() {
        assert!(since.elapsed() < Duration::from_secs(60), "not replaced: {}", gateway.log());
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn uses_renewed_certificates_for_new_connections() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (before, after, folder) = (Authority::new(), Authority::new(), TestDir::empty());
    write(&folder, "shop", &before.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "");
    let mut open = client(&gateway, &before, "shop.example").connect();
    assert_eq!(open.send(&Request::get("/items")).status, 200);

    write(gateway.folder(), "shop", &after.issue(&["shop.example"]));
    becomes_trusted(&gateway, &after, "shop.example");
    assert!(client(&gateway, &before, "shop.example").try_connect().is_err());
    gateway.reveals("certificates reloaded");
    // Open connections go on.
    assert_eq!(open.send(&Request::get("/items")).status, 200);
}

#[test]
fn keeps_the_certificate_if_the_new_one_cannot_be_used() {
    let upstream = Upstream::always(MockResponse::response(200, &[], "ok"));
    let (authority, folder) = (Authority::new(), TestDir::empty());
    write(&folder, "shop", &authority.issue(&["shop.example"]));
    let gateway = serve(folder, &["shop"], &upstream, "");
    write(gateway.folder(), "shop", &authority.issue_valid(&["shop.example"], -20, -10));
    gateway.reveals("certificates not reloaded");
    gateway.reveals("expired at");
    assert_eq!(client(&gateway, &authority, "shop.example").send(&Request::get("/items")).status, 200);
    // The key arrives after its certificate.
    let renewed = authority.issue(&["new.example"]);
    gateway.folder().write("shop.pem", &renewed.certificate);
    gateway.reveals("does not match the certificate");
    gateway.folder().write_secret("shop.key", &renewed.key);
    becomes_trusted(&gateway, &authority, "new.example");
}
