//! A blocking connection: a TCP socket, or TLS over one. Clones share it, for one thread.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

pub(crate) enum Transport {
    Plain(TcpStream),
    Client(TcpStream, Arc<Mutex<StreamOwned<ClientConnection, TcpStream>>>),
    Server(TcpStream, Arc<Mutex<StreamOwned<ServerConnection, TcpStream>>>),
}

impl Transport {
    /// A client's end. `name` is the host that the server's certificate must have.
    pub(crate) fn client(tcp: TcpStream, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, tcp.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Client(tcp, Arc::new(Mutex::new(stream))))
    }

    /// A server's end.
    pub(crate) fn server(tcp: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let stream = StreamOwned::new(session, tcp.try_clone()?);
        Ok(Self::Server(tcp, Arc::new(Mutex::new(stream))))
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Plain(tcp) => Self::Plain(tcp.try_clone()?),
            Self::Client(tcp, stream) => Self::Client(tcp.try_clone()?, Arc::clone(stream)),
            Self::Server(tcp, stream) => Self::Server(tcp.try_clone()?, Arc::clone(stream)),
        })
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) | Self::Client(tcp, _) | Self::Server(tcp, _) => tcp,
        }
    }

    pub(crate) fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.tcp().set_read_timeout(time)
    }

    /// Ends TLS, and shuts the socket down.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Plain(_) => {}
            Self::Client(_, stream) => {
                let mut stream = lock(stream);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            Self::Server(_, stream) => {
                let mut stream = lock(stream);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
        self.tcp().shutdown(how)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Client(_, stream) => lock(stream).read(buffer),
            Self::Server(_, stream) => lock(stream).read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Client(_, stream) => lock(stream).write(bytes),
            Self::Server(_, stream) => lock(stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Client(_, stream) => lock(stream).flush(),
            Self::Server(_, stream) => lock(stream).flush(),
        }
    }
}

fn lock<T>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
