//! Values that are well-formed and can never work, or that undo a protection without a word.

use super::rows::diagnostics;
use super::{demur, sound_folder};

/// What it would bring about, and the change to the sound configuration.
#[rustfmt::skip] // One value a line can be read; broken up, the table cannot.
const ROWS: &[(&str, &str, &str)] = &[
    // Ways to write 169.254.169.254, where the metadata services of clouds are. The system's resolver takes all.
    ("a link-local address mapped to IPv6", "http://127.0.0.1:9", "http://[::ffff:169.254.169.254]"),
    ("a link-local address as one number", "http://127.0.0.1:9", "http://2852039166"),
    ("a link-local address in hexadecimal", "http://127.0.0.1:9", "http://0xa9fea9fe"),
    ("a link-local address in three parts", "http://127.0.0.1:9", "http://169.254.43518"),
    // Upstreams.
    ("a password in the Host that the upstream gets", "http://127.0.0.1:9", "http://user:secret@127.0.0.1:9"),
    ("port 80 for a port that is none", "http://127.0.0.1:9", "http://127.0.0.1:99999"),
    ("a port that nothing can listen on", "http://127.0.0.1:9", "http://127.0.0.1:0"),
    ("a query that is never sent", "http://127.0.0.1:9", "http://127.0.0.1:9/?key=value"),
    // The grant check of an operation: without the parameter there is nothing to check, and everyone passes.
    ("a resource that no request names", "listItems: { credits: 1 }", "showItem: { resource: \"{idd}\" }"),
    // Places that no request is for.
    ("a path prefix with a query", "path: /shop", "path: \"/shop?x\""),
    ("a path prefix with a space", "path: /shop", "path: \"/my shop\""),
    ("a host with a port, which is never compared", "path: /shop", "host: \"shop.example:8080\""),
    ("a host that is none", "path: /shop", "host: \"shop/example\""),
    // Bounds under which no request passes, or no thread is left.
    ("no head is small enough", "default_contract: problem", "limits: { max_header_bytes: 0 }\ndefault_contract: problem"),
    ("no target is short enough", "default_contract: problem", "limits: { max_uri_bytes: 0 }\ndefault_contract: problem"),
    ("no request has so few fields: Host is one", "default_contract: problem", "limits: { max_headers: 0 }\ndefault_contract: problem"),
    ("no connection is let in", "default_contract: problem", "limits: { max_connections: 0 }\ndefault_contract: problem"),
    ("every head is late", "default_contract: problem", "limits: { header_timeout: 0ms }\ndefault_contract: problem"),
    ("no body can be collected", "default_contract: problem", "limits: { max_body_memory: 0 }\ndefault_contract: problem"),
    ("a million threads", "default_contract: problem", "workers: 1000000\ndefault_contract: problem"),
    // Keys.
    ("a key in the field that says where content ends", "scheme: bearer", "header: Content-Length"),
    ("a key in the field that says for whom it is", "scheme: bearer", "header: Host"),
    ("a scheme that is two words", "scheme: bearer", "scheme: \"my keys\""),
];

#[test]
fn rejects_values_that_can_never_work() {
    let mut taken = Vec::new();
    for (name, old, new) in ROWS {
        let folder = sound_folder();
        folder.edit(old, new);
        let outcome = demur(&folder, &["check", "--format", "json"]);
        if outcome.code != Some(3) || diagnostics(&outcome).len() != 1 {
            taken.push(format!("{name}: {new}: exit {:?} {}", outcome.code, outcome.stdout));
        }
    }
    assert!(taken.is_empty(), "{} of {} are taken:\n{}", taken.len(), ROWS.len(), taken.join("\n"));
}
