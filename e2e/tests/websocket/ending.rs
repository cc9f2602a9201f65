//! When a connection ends: by its peers, by the bounds of the configuration, with its key, with the gateway; and what it
//! holds until then.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use socket2::SockRef;
use tungstenite::{Error, Message};

use crate::peer::{Peer, accept, echo};
use crate::shop::{Settings, Shop, Socket};

/// Waits for the end of a connection without a closing handshake. Returns how long it took, and whether it was a reset.
fn ended(socket: &mut Socket) -> (Duration, bool) {
    let begun = Instant::now();
    let mut byte = [0];
    match socket.get_mut().read(&mut byte) {
        Ok(0) => (begun.elapsed(), false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (begun.elapsed(), true),
        other => panic!("{other:?} after {:?}", begun.elapsed()),
    }
}

/// Opens a connection that has carried a message. Returns its request ID too.
fn connect(shop: &Shop) -> (Socket, String) {
    let (mut socket, response) = shop.try_connect("/feed", |request| request).unwrap();
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello"));
    (socket, response.headers()["x-request-id"].to_str().unwrap().to_owned())
}

fn told(logged: &Json) -> Json {
    json!([logged["message"], logged["condition"], logged["upgraded"]])
}

#[test]
fn idle_connections_and_old_ones_are_closed() {
    let peer = Peer::echo();
    for (websocket, at_least, cause) in [
        ("{ idle_timeout: 700ms }", 700, "without a byte"),
        ("{ idle_timeout: 1h, max_lifetime: 900ms }", 700, "longest lifetime"),
    ] {
        let shop = Shop::with(peer.address(), Settings { websocket, ..Settings::default() });
        let (mut socket, id) = connect(&shop);
        let (took, is_reset) = ended(&mut socket);
        assert!(!is_reset && took >= Duration::from_millis(at_least), "{websocket}: {took:?}");
        let logged = shop.gateway.logged(&id);
        assert_eq!(told(&logged), json!(["request aborted", null, "websocket"]), "{logged}");
        assert!(logged["cause"].as_str().unwrap().contains(cause), "{logged}");
    }
    // Bytes of either side keep it open, whatever the bound on idleness.
    let shop =
        Shop::with(peer.address(), Settings { websocket: "{ idle_timeout: 2s }", ..Settings::default() });
    let (mut socket, _) = connect(&shop);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        thread::sleep(Duration::from_millis(200));
        socket.send(Message::text("still")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still"));
    }
}

#[test]
fn a_key_that_is_not_valid_any_more_closes_its_connections() {
    let peer = Peer::echo();
    for (command, condition) in [
        (&["keys", "revoke"][..], "credential.revoked"),
        (&["keys", "disable"], "credential.revoked"),
        (&["keys", "expire", "--at", "now"], "credential.expired"),
    ] {
        let shop = Shop::open(peer.address());
        let (mut socket, id) = connect(&shop);
        let (mut other, _) = connect(&shop);
        // A check or two passes.
        thread::sleep(Duration::from_millis(1500));
        socket.send(Message::text("still")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still"));
        let outcome = shop.gateway.folder().run(&[command, &[&*shop.key_id]].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let (took, _) = ended(&mut socket);
        println!("{command:?}: closed within {took:?} of the command's end");
        assert!(took < Duration::from_secs(10), "{took:?}");
        ended(&mut other);
        let logged = shop.gateway.logged(&id);
        assert_eq!(told(&logged), json!(["request aborted", condition, "websocket"]), "{logged}");
    }
}

/// An anonymous connection has no key, and one whose key is rotated has one until the old secret ends.
#[test]
fn other_connections_stay() {
    let peer = Peer::echo();
    let shop = Shop::open(peer.address());
    let (mut open, _) = shop.try_connect("/open", |request| request).unwrap();
    let (mut feed, _) = connect(&shop);
    let outcome = shop.gateway.folder().run(&["keys", "rotate", &shop.key_id, "--grace", "1h"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    thread::sleep(Duration::from_millis(2500));
    for socket in [&mut open, &mut feed] {
        socket.send(Message::text("still")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still"));
    }
}

#[test]
fn shutdown_closes_connections_within_its_timeout() {
    let peer = Peer::echo();
    let shop = Shop::with(
        peer.address(),
        Settings { top: "limits: { max_queue_delay: 1m, shutdown_timeout: 20s }", ..Settings::default() },
    );
    let (mut quiet, quiet_id) = connect(&shop);
    let (mut busy, busy_id) = connect(&shop);
    shop.gateway.terminate();
    let begun = Instant::now();
    // One that is quiet is closed at once; one that carries messages all the time has half of the timeout.
    let busy = thread::spawn(move || {
        loop {
            let sent = busy.send(Message::text("x"));
            if sent.and_then(|()| busy.read()).is_err() {
                return begun.elapsed();
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (_, is_reset) = ended(&mut quiet);
    let quiet = begun.elapsed();
    let busy = busy.join().unwrap();
    println!("quiet: closed after {quiet:?}, busy: after {busy:?}");
    assert!(!is_reset && quiet < Duration::from_secs(8), "{quiet:?}");
    assert!(busy >= Duration::from_secs(9) && busy < Duration::from_secs(20), "{busy:?}");
    for id in [quiet_id, busy_id] {
        let logged = shop.gateway.logged(&id);
        assert_eq!(logged["cause"], "closed: the gateway shuts down", "{logged}");
    }
    assert_eq!(shop.gateway.wait_for_exit().0.code(), Some(0));
}

/// A reset of one side reaches the other one, and the log says whose it was.
#[test]
fn resets_are_forwarded() {
    let dying = Peer::start(|stream, head| {
        let reset = stream.try_clone().unwrap();
        let mut socket = accept(stream, head);
        let message = socket.read().unwrap();
        socket.send(message).unwrap();
        let _ = socket.read();
        SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let shop = Shop::open(dying.address());
    let (mut socket, id) = connect(&shop);
    socket.send(Message::text("die")).unwrap();
    assert!(ended(&mut socket).1, "it is a reset");
    let logged = shop.gateway.logged(&id);
    assert_eq!(
        told(&logged),
        json!(["request failed", "upstream.invalid_response", "websocket"]),
        "{logged}"
    );

    let (sender, seen) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let peer = Peer::start(move |stream, head| {
        let mut socket = accept(stream, head);
        let message = socket.read().unwrap();
        socket.send(message).unwrap();
        let error = socket.read();
        let _ = sender.lock().unwrap().send(matches!(
            error,
            Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset
        ));
    });
    let shop = Shop::open(peer.address());
    let (socket, id) = connect(&shop);
    SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    assert!(seen.recv_timeout(Duration::from_secs(20)).unwrap(), "the upstream sees the reset");
    let logged = shop.gateway.logged(&id);
    assert_eq!(told(&logged), json!(["request aborted", "client.gone", "websocket"]), "{logged}");
}

/// A side that has ended its direction still gets what the other one sends, for a while.
#[test]
fn a_half_closed_connection_goes_on() {
    let peer = Peer::start(|mut stream, head| {
        use std::io::Write;
        let _ = stream.write_all(crate::peer::switching(head, "").as_bytes());
        let mut sent = Vec::new();
        let _ = stream.read_to_end(&mut sent);
        let _ = stream.write_all(&sent);
    });
    let shop = Shop::open(peer.address());
    let mut stream: TcpStream = shop.connect().get_ref().try_clone().unwrap();
    std::io::Write::write_all(&mut stream, b"raw bytes").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"raw bytes");
}

/// The slot of the plan is held until the connection ends.
#[test]
fn a_connection_holds_its_concurrency_slot() {
    let peer = Peer::echo();
    let shop =
        Shop::with(peer.address(), Settings { plan: "concurrency: { requests: 1 }", ..Settings::default() });
    let (mut socket, _) = connect(&shop);
    let response = shop.client.send(&shop.handshake("/feed").key(&shop.key));
    let logged = shop.gateway.logged(response.header("x-request-id"));
    assert_eq!((response.status, &logged["condition"]), (429, &json!("rate.concurrency")));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    let begun = Instant::now();
    while shop.try_connect("/feed", |request| request).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the slot is not released");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Credits are held while the connection is open, and settled by the operation's rules when it ends.
#[test]
fn credits_are_settled_at_the_end() {
    let balance = |shop: &Shop| {
        let shown = shop.gateway.folder().account("acme");
        let credits = &shown["credits"];
        (credits["available"].as_i64().unwrap(), credits["held"].as_i64().unwrap())
    };
    let settled = |shop: &Shop, expected: i64, what: &str| {
        let begun = Instant::now();
        while balance(shop) != (expected, 0) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", balance(shop));
            thread::sleep(Duration::from_millis(50));
        }
    };
    let plan = "credits: { monthly: 100 }";
    let breaking = || {
        Peer::start(|stream, head| {
            let reset = stream.try_clone().unwrap();
            let mut socket = accept(stream, head);
            if let Ok(message) = socket.read() {
                let _ = socket.send(message);
            }
            let _ = socket.read();
            SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
        })
    };
    for (what, feed, breaks, held, left) in [
        ("a whole connection", ", credits: 5", false, (95, 5), 95),
        ("an upstream that breaks off", ", credits: 5", true, (95, 5), 100),
        (
            "an upstream that breaks off after all was settled",
            ", credits: 5, usage: { settle_at: head }",
            true,
            (95, 0),
            95,
        ),
    ] {
        let peer = if breaks { breaking() } else { Peer::start(|stream, head| echo(accept(stream, head))) };
        let shop = Shop::with(peer.address(), Settings { plan, feed, ..Settings::default() });
        let (mut socket, _) = connect(&shop);
        let begun = Instant::now();
        while balance(&shop) != held {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", balance(&shop));
            thread::sleep(Duration::from_millis(50));
        }
        match breaks {
            true => socket.send(Message::text("die")).unwrap(),
            false => socket.close(None).unwrap(),
        }
        while socket.read().is_ok() {}
        drop(socket);
        settled(&shop, left, what);
    }
}

/// What follows a 101 cannot be repeated: a second handshake with the same key is told so.
#[test]
fn a_handshake_with_an_idempotency_key_is_not_replayed() {
    let peer = Peer::echo();
    let plan = "credits: { monthly: 100 }";
    let shop = Shop::with(peer.address(), Settings { plan, feed: ", credits: 5", ..Settings::default() });
    let named = |request: tungstenite::ClientRequestBuilder| request.with_header("Idempotency-Key", "once");
    let (mut socket, _) = shop.try_connect("/feed", named).unwrap();
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello"));
    let again = || {
        let response =
            shop.client.send(&shop.handshake("/feed").key(&shop.key).header("Idempotency-Key", "once"));
        let logged = shop.gateway.logged(response.header("x-request-id"));
        logged["condition"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(again(), "idempotency.in_flight");
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    let begun = Instant::now();
    while again() != "idempotency.completed" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", again());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(peer.heads().len(), 1);
}
