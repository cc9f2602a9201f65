//! Connects to an endpoint: to one of the addresses of a name, or to a Unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use demur_http1::io::Transport;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use super::settings::{Endpoint, EndpointAddress, is_link_local};
use crate::tls::client::UpstreamTls;

/// How long an attempt has before the next address is tried beside it (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to an endpoint, with the handshake of TLS. Returns the address too, unless it is a Unix socket.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&UpstreamTls>,
) -> io::Result<(Transport, Option<IpAddr>)> {
    let socket = match &endpoint.address {
        EndpointAddress::Tcp(name) => connect_tcp(name).await?,
        EndpointAddress::Unix(path) => {
            return Ok((Transport::Other(Box::new(UnixStream::connect(path).await?)), None));
        }
    };
    // Only an optimization, so errors are ignored.
    let _ = socket.set_nodelay(true);
    let address = socket.peer_addr().ok().map(|address| address.ip());
    let transport = match tls {
        None => socket.into(),
        Some(tls) => tls.connect(socket, endpoint.authority.host()).await?,
    };
    Ok((transport, address))
}

/// Connects to the first address that accepts: a dead one does not use up the time of the others (RFC 8305). Link-local
/// addresses are skipped, as in the configuration: they are those of metadata services.
async fn connect_tcp(name: &str) -> io::Result<TcpStream> {
    let (link_local, addresses): (Vec<_>, Vec<_>) =
        tokio::net::lookup_host(name).await?.partition(|address| is_link_local(address.ip()));
    if addresses.is_empty() && !link_local.is_empty() {
        return Err(io::Error::other("the name resolves to a link-local address"));
    }
    race(alternating(addresses)).await
}

/// The addresses with their families in turn, beginning with that of the first one.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut both = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return both;
        }
        both.extend(pair.into_iter().flatten());
    }
}

/// Starts an attempt whenever the last one has failed or taken long.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        match waiting.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let is_last = waiting.len() == 0;
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            },
            () = sleep(ATTEMPT_DELAY), if !is_last => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use super::*;

    #[test]
    fn families_alternate() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"];
        let parsed = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let order: Vec<String> = alternating(parsed).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"]);
    }

    /// The second address is in TEST-NET-1 (RFC 5737), which nobody answers for: connecting hangs, or fails at once where
    /// there is no route.
    #[tokio::test]
    async fn a_dead_address_does_not_use_up_the_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let dead = "192.0.2.1:9".parse().unwrap();
        for addresses in
            [vec![alive], vec![dead, alive], vec![closed, alive], vec![dead, dead, closed, alive]]
        {
            let socket = tokio::time::timeout(Duration::from_secs(2), race(addresses)).await.unwrap();
            assert_eq!(socket.unwrap().peer_addr().unwrap(), alive);
        }
        assert!(race(vec![closed, closed]).await.is_err());
        assert!(race(Vec::new()).await.is_err());
    }
}
