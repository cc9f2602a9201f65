//! A tunnel: two connections that speak another protocol after 101 (Switching Protocols). Bytes are copied both ways.
//!
//! At most one read of each direction is held in memory: a peer that takes nothing is read from no more. The end of a
//! direction and a reset are forwarded.

use std::io;
use std::task::{Context, Poll, ready};

use super::client::ClientStream;
use super::server::ServerStream;
use super::socket::Socket;

/// A tunnel between a client and an upstream.
pub struct Tunnel {
    client: ServerStream,
    upstream: ClientStream,
    from_client: Direction,
    to_client: Direction,
}

/// Why a tunnel has ended before both sides have ended it.
#[derive(Debug)]
pub enum TunnelError {
    /// The client's connection failed.
    Client(io::Error),
    /// The upstream's connection failed.
    Upstream(io::Error),
}

/// The bytes that a tunnel has forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// From the client to the upstream.
    pub from_client: u64,
    /// From the upstream to the client.
    pub to_client: u64,
}

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    /// Bytes that were read.
    read: u64,
    /// The source has sent everything.
    is_complete: bool,
    state: State,
}

/// Which connection of a direction has failed.
enum Failure {
    Source(io::Error),
    Sink(io::Error),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// The source sends no more; the sink is to be told.
    Ending,
    /// The sink was told, or takes nothing any more.
    Ended(io::Result<()>),
}

impl Tunnel {
    /// A tunnel of a client to which 101 was written, and the upstream from which it was received.
    pub fn new(client: &ServerStream, upstream: ClientStream) -> Self {
        Self {
            client: client.clone(),
            upstream,
            from_client: Direction::default(),
            to_client: Direction::default(),
        }
    }

    /// Copies what there is. Ready when both directions have ended, or one connection has failed: the other one is then
    /// reset when it is dropped.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TunnelError>> {
        let Self { client, upstream, from_client, to_client } = self;
        let client = &mut client.0.state.borrow_mut().socket;
        let upstream = &mut upstream.socket;
        // First: what an upstream has sent before it closed goes to the client, whatever else fails.
        let down = to_client.poll(upstream, client, cx);
        let up = from_client.poll(client, upstream, cx);
        let failed =
            match (down, up) {
                (Poll::Ready(Err(Failure::Source(error))), _)
                | (_, Poll::Ready(Err(Failure::Sink(error)))) => Some(TunnelError::Upstream(error)),
                (_, Poll::Ready(Err(Failure::Source(error))))
                | (Poll::Ready(Err(Failure::Sink(error))), _) => Some(TunnelError::Client(error)),
                _ => None,
            };
        if let Some(error) = failed {
            let other = if let TunnelError::Client(_) = error { upstream } else { client };
            other.reset_on_drop();
            return Poll::Ready(Err(error));
        }
        let (client_is_complete, upstream_is_complete) = (from_client.is_complete, to_client.is_complete);
        let (State::Ended(to_client), State::Ended(from_client)) =
            (&mut to_client.state, &mut from_client.state)
        else {
            return Poll::Pending;
        };
        // A peer that has ended its own direction need not take what still comes from the other one.
        let failure = |taken: &mut io::Result<()>, is_complete: bool| {
            std::mem::replace(taken, Ok(())).err().filter(|_| !is_complete)
        };
        if let Some(error) = failure(to_client, client_is_complete) {
            upstream.reset_on_drop();
            return Poll::Ready(Err(TunnelError::Client(error)));
        }
        if let Some(error) = failure(from_client, upstream_is_complete) {
            client.reset_on_drop();
            return Poll::Ready(Err(TunnelError::Upstream(error)));
        }
        Poll::Ready(Ok(()))
    }

    /// How many bytes have been forwarded so far.
    pub fn forwarded(&self) -> Forwarded {
        let client = &self.client.0.state.borrow().socket;
        Forwarded {
            from_client: self.from_client.read.saturating_sub(self.upstream.socket.queued() as u64),
            to_client: self.to_client.read.saturating_sub(client.queued() as u64),
        }
    }

    /// Whether one of the two directions has ended.
    pub fn is_half_closed(&self) -> bool {
        let is_ended = |direction: &Direction| matches!(direction.state, State::Ended(_));
        is_ended(&self.from_client) || is_ended(&self.to_client)
    }

    /// Ends both connections in order when they are dropped: over TLS, a `close_notify` shows that nothing is missing.
    pub fn finish(&mut self) {
        self.client.finish();
        self.upstream.socket.finish();
    }
}

impl Direction {
    /// Copies what there is. A sink that has closed ends this direction alone: what it has sent before is still forwarded.
    fn poll(
        &mut self,
        source: &mut Socket,
        sink: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            if let State::Ended(_) = self.state {
                return Poll::Ready(Ok(()));
            }
            // What is not taken is waited for before more is read.
            if let Err(error) = ready!(sink.poll_flush(cx)) {
                self.read -= sink.queued() as u64;
                sink.discard_queue();
                // A socket tells once that it was reset; the next read would find its end.
                if error.kind() == io::ErrorKind::ConnectionReset {
                    return Poll::Ready(Err(Failure::Sink(error)));
                }
                self.state = State::Ended(Err(error));
                continue;
            }
            if let State::Ending = self.state {
                self.state = State::Ended(ready!(sink.poll_shutdown(cx)));
                continue;
            }
            let unread = source.unread().len();
            if unread > 0 {
                // `usize` is never wider than 64 bits.
                self.read += unread as u64;
                sink.queue(source.take(unread));
                continue;
            }
            match ready!(source.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) => (self.is_complete, self.state) = (true, State::Ending),
                // TLS that was not ended. The other protocol says itself whether something is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    (self.is_complete, self.state) = (true, State::Ending);
                }
                Err(error) => return Poll::Ready(Err(Failure::Source(error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

    use std::future::poll_fn;
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{Empty, Full};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;
    use crate::Limits;
    use crate::io::tests::{limits, pair};
    use crate::io::{After, Incoming};

    const SOON: Duration = Duration::from_secs(5);

    async fn head(socket: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// The client, the upstream, and the tunnel between them. The upstream sends `early` with its 101.
    async fn tunnel() -> (TcpStream, TcpStream, Tunnel) {
        let ((mut client, front), (back, mut upstream)) = (pair().await, pair().await);
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            .await
            .unwrap();
        let front = ServerStream::new(front, &[], limits());
        assert!(matches!(front.next().await, Incoming::Request(_)));
        let request = Request::get("/").header("host", "a").header("upgrade", "x").body(()).unwrap();
        let answer = async {
            assert!(head(&mut upstream).await.contains("connection: upgrade\r\n"));
            let answer =
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly";
            upstream.write_all(answer).await.unwrap();
        };
        let parts = request.into_parts().0;
        let sent = ClientStream::new(back).send(&parts, Empty::<Bytes>::new(), Limits::default(), |_, _| {});
        let (response, ()) = tokio::join!(sent, answer);
        let mut response = response.unwrap();
        assert_eq!(response.status(), 101);
        let back = response.body_mut().take_tunnel().unwrap();
        assert!(response.body_mut().take_tunnel().is_none(), "it is taken once");
        let response = Response::builder().status(101).header("upgrade", "x");
        let written = front.write(response.body(Full::new(Bytes::new())).unwrap()).await;
        assert!(matches!(written, Ok(After::Tunnel)));
        assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
        (client, upstream, Tunnel::new(&front, back))
    }

    async fn run(mut tunnel: Tunnel) -> (Result<(), TunnelError>, Forwarded) {
        let ended = timeout(SOON, poll_fn(|cx| tunnel.poll(cx))).await.unwrap();
        (ended, tunnel.forwarded())
    }

    #[tokio::test]
    async fn forwards_both_ways_and_each_end_by_itself() {
        let (mut client, mut upstream, tunnel) = tunnel().await;
        let peers = async {
            let mut said = [0; 5];
            client.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"early");
            client.write_all(b"one").await.unwrap();
            client.shutdown().await.unwrap();
            let mut said = String::new();
            upstream.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "one", "the end is forwarded");
            upstream.write_all(b"two").await.unwrap();
            drop(upstream);
            let mut said = String::new();
            client.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "two", "the other direction goes on");
        };
        let ((ended, forwarded), ()) = tokio::join!(run(tunnel), peers);
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!(forwarded, Forwarded { from_client: 3, to_client: 8 });
    }

    #[tokio::test]
    async fn a_reset_of_one_side_resets_the_other() {
        for is_client in [true, false] {
            let (client, upstream, tunnel) = tunnel().await;
            let (reset, mut other) = if is_client { (client, upstream) } else { (upstream, client) };
            socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
            drop(reset);
            let (ended, _) = run(tunnel).await;
            match ended {
                Err(TunnelError::Client(_)) => assert!(is_client),
                Err(TunnelError::Upstream(_)) => assert!(!is_client),
                Ok(()) => panic!("a reset is no end"),
            }
            let read = timeout(SOON, other.read_to_end(&mut Vec::new())).await.unwrap();
            assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
        }
    }

    /// The upstream takes nothing: the client is stopped once the sockets are full, and the tunnel holds one read.
    #[tokio::test]
    async fn a_peer_that_takes_nothing_stops_the_other() {
        let (mut client, mut upstream, mut tunnel) = tunnel().await;
        let mut sent = 0_usize;
        let piece = vec![7; 64 * 1024];
        let flood = async {
            while let Ok(written) = timeout(Duration::from_millis(300), client.write(&piece)).await {
                sent += written.unwrap();
            }
        };
        tokio::select! {
            () = flood => {}
            ended = poll_fn(|cx| tunnel.poll(cx)) => panic!("{ended:?}"),
        }
        let forwarded = usize::try_from(tunnel.forwarded().from_client).unwrap();
        let held = usize::try_from(tunnel.from_client.read).unwrap() - forwarded;
        assert!(held <= 64 * 1024, "{held} bytes are held");
        // Everything arrives once it is taken.
        let taking = async {
            client.shutdown().await.unwrap();
            let mut taken = Vec::new();
            upstream.read_to_end(&mut taken).await.unwrap();
            drop(upstream);
            taken.len()
        };
        let ((ended, forwarded), taken) = tokio::join!(run(tunnel), taking);
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!((taken, forwarded.from_client), (sent, sent as u64));
    }
}
