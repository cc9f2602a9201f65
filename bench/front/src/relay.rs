//! The floor: bytes from one socket to another and back, which nobody who stands between two others can do with less:
//! two reads and two writes per request.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);

struct End {
    stream: TcpStream,
    other: usize,
}

/// Relays for ever.
pub fn relay(listen: SocketAddr, service: SocketAddr) -> ! {
    let mut poll = Poll::new().expect("epoll");
    let mut listener = TcpListener::bind(listen).expect("the port");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a listener");
    let mut ends: Vec<Option<End>> = Vec::from([None]);
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 65_536];
    loop {
        if let Err(error) = poll.poll(&mut events, None) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        }
        for event in &events {
            let token = event.token();
            if token == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    let Ok(service) = std::net::TcpStream::connect(service) else { continue };
                    service.set_nonblocking(true).expect("a socket");
                    let first = ends.len();
                    for (index, stream) in [client, TcpStream::from_std(service)].into_iter().enumerate() {
                        let mut end = End { stream, other: first + 1 - index };
                        end.stream.set_nodelay(true).expect("a socket");
                        let token = Token(first + index);
                        poll.registry()
                            .register(&mut end.stream, token, Interest::READABLE)
                            .expect("a socket");
                        ends.push(Some(end));
                    }
                }
                continue;
            }
            let Some(end) = ends[token.0].as_mut() else { continue };
            let other = end.other;
            match end.stream.read(&mut buffer) {
                Ok(0) => {
                    // Dropping closes; the places are not used again, which a bench can afford.
                    ends[token.0] = None;
                    ends[other] = None;
                }
                Ok(length) => {
                    if let Some(other) = ends[other].as_mut() {
                        let written = other.stream.write(&buffer[..length]).unwrap_or_default();
                        assert!(written == length || written == 0, "a socket without room");
                    }
                }
                Err(_) => {}
            }
        }
    }
}
