//! What systemd and other supervisors speak: sockets that they pass, and what they are told. Without one, nothing happens.

use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::exit::CommandFailure;

/// The sockets that the supervisor has opened for this process (`LISTEN_FDS`).
pub(crate) fn inherited_sockets() -> Result<Vec<TcpListener>, CommandFailure> {
    let mut passed = ListenFd::from_env();
    let count = passed.len();
    let socket = |index| match passed.take_tcp_listener(index) {
        Ok(socket) => socket.map(Ok),
        Err(error) => {
            let message = format!("socket {index} of the supervisor is not a TCP listener: {error}");
            let help = "use `ListenStream=ADDRESS:PORT` in the socket unit".to_owned();
            Some(Err(CommandFailure::unavailable(message, help)))
        }
    };
    (0..count).filter_map(socket).collect()
}

/// Reports a socket that no listener of the configuration uses: its clients would wait for ever.
pub(crate) fn reject_unused(sockets: &[TcpListener]) -> Result<(), CommandFailure> {
    let Some(unused) = sockets.first() else { return Ok(()) };
    let address = unused.local_addr().map_or_else(|_| "an unknown address".to_owned(), |it| it.to_string());
    let message = format!("the supervisor has opened {address}, which is not in `listen`");
    let help = "use the same address in `listen` and in `ListenStream` of the socket unit".to_owned();
    Err(CommandFailure::unavailable(message, help))
}

/// Requests are served from now on.
pub(crate) fn notify_ready() {
    notify(NotifyState::Ready);
}

/// The process is about to end.
pub(crate) fn notify_stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "supervisor not notified");
    }
}
