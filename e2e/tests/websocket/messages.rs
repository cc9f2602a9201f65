//! What a connection carries: every kind of frame, large messages, and much of it in constant memory.

use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::Gateway;
use serde_json::json;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::peer::{Peer, accept};
use crate::shop::{Settings, Shop, Socket};

const MIB: usize = 1024 * 1024;

/// Reads up to the end: the close frame, if one came.
fn close_of(socket: &mut Socket) -> Option<CloseFrame> {
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return frame,
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[test]
fn frames_of_every_kind_cross_both_ways() {
    let peer = Peer::echo();
    let shop = Shop::open(peer.address());
    let mut socket = shop.connect();
    for message in [
        Message::text("hello"),
        Message::text("ünï"),
        Message::binary(vec![0, 255, 13, 10]),
        Message::text(""),
        Message::binary(vec![7; MIB]),
    ] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    // Pings are answered by the upstream.
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
    // A message in fragments, with a ping between them.
    let frame = |text: &str, data, is_final| {
        Message::Frame(Frame::message(text.to_owned(), OpCode::Data(data), is_final))
    };
    socket.send(frame("one ", Data::Text, false)).unwrap();
    socket.send(Message::Ping("between".into())).unwrap();
    socket.send(frame("two ", Data::Continue, false)).unwrap();
    socket.send(frame("three", Data::Continue, true)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("between".into()));
    assert_eq!(socket.read().unwrap(), Message::text("one two three"));
    // The closing handshake, with its code.
    let frame = CloseFrame { code: CloseCode::Library(4001), reason: "enough".into() };
    socket.close(Some(frame.clone())).unwrap();
    assert_eq!(close_of(&mut socket), Some(frame));
}

/// The upstream speaks first, with its 101, and closes first.
#[test]
fn the_upstream_may_speak_first_and_close_first() {
    let peer = Peer::start(|stream, head| {
        let mut socket = accept(stream, head);
        socket.send(Message::text("welcome")).unwrap();
        socket.close(Some(CloseFrame { code: CloseCode::Again, reason: "later".into() })).unwrap();
        while socket.read().is_ok() {}
    });
    let shop = Shop::open(peer.address());
    for _ in 0..20 {
        let mut socket = shop.connect();
        assert_eq!(socket.read().unwrap(), Message::text("welcome"));
        let frame = close_of(&mut socket).unwrap();
        assert_eq!((frame.code, &*frame.reason), (CloseCode::Again, "later"));
    }
}

/// The resident memory of a gateway, in bytes.
fn resident(gateway: &Gateway) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// 100 MB each way, in messages of 1 MB that the client reads late: what is on its way is in the kernel's buffers.
#[test]
fn much_data_takes_constant_memory() {
    let peer = Peer::echo();
    let shop = Shop::open(peer.address());
    let mut socket = shop.connect();
    let message = Message::binary(vec![42; MIB]);
    let turn = |socket: &mut Socket| {
        socket.send(message.clone()).unwrap();
        thread::sleep(Duration::from_millis(5));
        assert!(socket.read().unwrap() == message);
    };
    (0..3).for_each(|_| turn(&mut socket));
    let before = resident(&shop.gateway);
    let begun = Instant::now();
    let mut most = before;
    for _ in 0..100 {
        turn(&mut socket);
        most = most.max(resident(&shop.gateway));
    }
    println!(
        "100 MiB each way in {:?}: {} KiB before, {} KiB at the most",
        begun.elapsed(),
        before / 1024,
        most / 1024
    );
    assert!(most <= before + 4 * MIB, "{} MiB", most / MIB);
}

#[test]
fn the_log_counts_what_crossed_and_metrics_count_what_is_open() {
    let peer = Peer::echo();
    let settings = Settings { top: "operations_listener: 127.0.0.1:0", ..Settings::default() };
    let shop = Shop::with(peer.address(), settings);
    let (mut socket, response) = shop.try_connect("/feed", |request| request).unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let open =
        |count: u32| shop.gateway.metrics().contains(&format!("\ndemur_websocket_connections {count}\n"));
    assert!(open(1), "{}", shop.gateway.metrics());
    socket.send(Message::binary(vec![1; 1000])).unwrap();
    socket.read().unwrap();
    thread::sleep(Duration::from_millis(300));
    socket.close(None).unwrap();
    close_of(&mut socket);
    drop(socket);
    let logged = shop.gateway.logged(&id);
    // Frames: a header of 4 bytes, a mask of 4 from the client; the close frames have 2 and 6 bytes.
    let expected = json!(["request completed", 101, "websocket", 1000 + 8 + 6, 1000 + 4 + 2, "feed", "acme"]);
    let found: Vec<_> = ["message", "status", "upgraded", "received_bytes", "bytes", "operation", "account"]
        .iter()
        .map(|name| logged[*name].clone())
        .collect();
    assert_eq!(json!(found), expected, "{logged}");
    assert!(logged["duration_ms"].as_f64().unwrap() >= 300.0, "{logged}");
    let begun = Instant::now();
    while !open(0) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", shop.gateway.metrics());
    }
    // The histogram of requests has the handshake, not the time that the connection was open.
    let series = "http_server_request_duration_seconds_bucket{api=\"shop\",http_request_method=\"GET\",http_response_status_code=\"101\"";
    let metrics = shop.gateway.metrics();
    let bucket = metrics.lines().find(|line| line.starts_with(series) && line.contains("le=\"0.25\""));
    assert!(bucket.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
}
