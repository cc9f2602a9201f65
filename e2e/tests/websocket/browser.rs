//! WebSocket and server-sent events in a real browser, through the gateway and beside it.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use demur_e2e::installed;
use serde_json::{Value as Json, json};

use crate::peer::{Peer, accept, echo, header};
use crate::shop::Shop;

/// How many events the page has acknowledged.
#[derive(Default)]
struct Acknowledged(Mutex<u32>, Condvar);

fn respond(mut stream: TcpStream, media_type: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + body).as_bytes());
}

/// Sends each event only after the page has acknowledged the one before: a buffer on the way would stop the stream.
fn events(mut stream: TcpStream, acknowledged: &Acknowledged) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
    *acknowledged.0.lock().unwrap() = 0;
    for number in 1..=20_u32 {
        let event = format!("id: {number}\ndata: {number}\n\n");
        if write!(stream, "{:x}\r\n{event}\r\n", event.len()).is_err() {
            return;
        }
        let waits = |count: &mut u32| *count < number;
        let guard = acknowledged.0.lock().unwrap();
        if acknowledged.1.wait_timeout_while(guard, Duration::from_secs(10), waits).unwrap().1.timed_out() {
            return;
        }
    }
    let last = "event: end\ndata: end\n\n";
    let _ = write!(stream, "{:x}\r\n{last}\r\n0\r\n\r\n", last.len());
}

#[test]
fn a_browser_uses_websocket_and_server_sent_events_through_the_gateway() {
    let (chromium, folder) = (installed("chromium.sh"), installed("browser/install.sh"));
    let acknowledged = Arc::new(Acknowledged::default());
    let peer = Peer::start(move |stream, head| {
        let target = head.split(' ').nth(1).unwrap_or_default();
        match target {
            "/page" => respond(stream, "text/html", "<!DOCTYPE html><title>Shop</title><p>Shop"),
            "/events" => events(stream, &acknowledged),
            "/ack" => {
                *acknowledged.0.lock().unwrap() += 1;
                acknowledged.1.notify_all();
                respond(stream, "application/json", "{}");
            }
            _ if header(head, "upgrade").is_some() => echo(accept(stream, head)),
            _ => respond(stream, "application/json", "{}"),
        }
    });
    let shop = Shop::open(peer.address());
    // The page comes from the gateway, so that is the origin of its scripts.
    let gateway = shop.gateway.address();
    let run = |base: String| -> Json {
        let output =
            Command::new("node").arg(folder.join("websocket.mjs")).arg(&chromium).arg(base).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
    };
    let direct = run(format!("http://{}", peer.address()));
    let through = run(format!("http://{gateway}/shop"));
    println!("direct: {direct}\nthrough the gateway: {through}");
    for (what, seen) in [("direct", &direct), ("through the gateway", &through)] {
        assert_eq!(
            seen["events"],
            json!((1..=20).map(|number: u32| number.to_string()).collect::<Vec<_>>()),
            "{what}"
        );
        assert_eq!(seen["end"], json!("end"), "{what}");
    }
    // `/open` admits other sites only: the page's own scripts are rejected.
    assert_eq!(through["origin"], json!({ "opened": false, "code": 1006 }), "{through}");
    assert_eq!(through["echoed"], json!(["hello", "ünï", 1024 * 1024]), "{through}");
    assert_eq!(through["closed"], json!({ "code": 4001, "reason": "enough", "clean": true }), "{through}");
    assert_eq!(direct["echoed"], through["echoed"]);
    assert_eq!(direct["closed"], through["closed"]);
}
