//! The fuzzers' corpus of the engine, replayed, and mutations of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what failed by failing"
)]

mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::run;

#[test]
fn any_head_is_read_as_others_read_it() {
    run("head", &WORDS, properties::head);
}

#[test]
fn any_chunks_end_where_others_say() {
    run("chunks", &WORDS, properties::chunks);
}

#[test]
fn any_connection_gives_whole_messages() {
    run("connection", &WORDS, properties::connection);
}

#[test]
fn any_response_is_read_as_others_read_it() {
    run("response", &RESPONSE_WORDS, properties::response);
}

#[rustfmt::skip] // A list of words.
const WORDS: [&[u8]; 30] = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b"\"", b"\\", b"\0", b"\xff", b"%", b"#", b"0\r\n\r\n",
    b"ffffffffffffffff", b"7fffffffffffffff", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked",
    b"identity", b"Host: a\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.0", b"HTTP/2.0", b"http://a", b"*", b"+", b"0x", b"_",
];

#[rustfmt::skip] // A list of words.
const RESPONSE_WORDS: [&[u8]; 20] = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b"\0", b"\xff", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"101", b"204", b"304",
    b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked", b"identity", b"Connection: close\r\n", b"2, 2",
];
