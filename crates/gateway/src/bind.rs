//! Binds an address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted. The kernel has its own limit.
const BACKLOG: i32 = 4096;

/// An address that cannot be bound: it is in use, or not this machine's.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The error of the system.
    pub error: io::Error,
}

/// The socket of `inherited` that listens on the address, which is taken from there, or else a new one.
pub(crate) fn bind_or_inherit(
    address: SocketAddr,
    inherited: &mut Vec<TcpListener>,
) -> io::Result<TcpListener> {
    let listens = |socket: &TcpListener| socket.local_addr().is_ok_and(|own| own == address);
    let Some(index) = inherited.iter().position(listens) else { return bind(address) };
    let socket = inherited.swap_remove(index);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart need not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
