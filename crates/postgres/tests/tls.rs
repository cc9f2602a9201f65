//! TLS to the server: its certificate and its name are verified.

mod server;

use std::sync::Arc;

use demur_admission::{Plan, Plans};
use demur_postgres::{Settings, Store};
use server::Server;

#[test]
fn verifies_the_certificate_and_the_name_of_the_server() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (_server, port) = Server::start_tls(&certificate.pem(), &key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (own, other) = (certificate.pem(), other.cert.pem());
    let open = |host: &str, mode: &str, authorities: &str| {
        let url = format!("postgres://demur@{host}:{port}/postgres?sslmode={mode}");
        let settings = Settings::new(&url, &"0a".repeat(32), Some(authorities)).unwrap();
        Store::open(settings, Arc::new(Plans::new([Plan::named("open")]))).map(|store| store.close())
    };
    assert!(open("localhost", "require", &own).is_ok());
    for (host, authorities) in [("localhost", &other), ("127.0.0.1", &own)] {
        let error = open(host, "require", authorities).unwrap_err().to_string();
        assert!(error.contains("certificate"), "{host}: {error}");
    }
    let error =
        Settings::new("postgres://localhost/x", &"0a".repeat(32), Some("no certificate")).unwrap_err();
    assert!(error.to_string().contains("has no certificate"), "{error}");
}
