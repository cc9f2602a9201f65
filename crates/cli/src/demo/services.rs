//! The example services, each on its own port, all on one thread.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use crate::exit::CommandFailure;

/// Starts all services and returns their addresses in the order of the examples. They stop with the process.
pub(crate) fn start() -> Result<Vec<SocketAddr>, CommandFailure> {
    let failed = |error: std::io::Error| {
        CommandFailure::unavailable(format!("cannot start an example service: {error}"), None)
    };
    let mut addresses = Vec::new();
    let mut listeners = Vec::new();
    for example in demur_examples::all() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        addresses.push(listener.local_addr().map_err(failed)?);
        listeners.push((listener, example.router));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    thread::Builder::new()
        .name("demur-examples".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                for (listener, router) in listeners {
                    if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                        tokio::spawn(async move { axum::serve(listener, router()).await });
                    }
                }
                std::future::pending::<()>().await;
            });
        })
        .map_err(failed)?;
    Ok(addresses)
}
