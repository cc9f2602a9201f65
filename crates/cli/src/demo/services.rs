//! The example services, each on a port of its own, on one thread.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use crate::exit::CommandFailure;

/// Starts all of them and answers their addresses, in the examples' order. They end with the process.
pub(crate) fn start() -> Result<Vec<SocketAddr>, CommandFailure> {
    let trouble = |error: std::io::Error| {
        CommandFailure::unavailable(format!("an example service cannot start: {error}"), None)
    };
    let mut addresses = Vec::new();
    let mut listeners = Vec::new();
    for example in demur_examples::all() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(trouble)?;
        listener.set_nonblocking(true).map_err(trouble)?;
        addresses.push(listener.local_addr().map_err(trouble)?);
        listeners.push((listener, example.router));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(trouble)?;
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
        .map_err(trouble)?;
    Ok(addresses)
}
