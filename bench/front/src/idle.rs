//! Memory: what an idle connection costs, beside a bare hyper server's.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::bench::Bench;
use crate::front::Kind;
use crate::options::Options;
use crate::process::memory;
use crate::table::median;

const CONNECTIONS: usize = 4_000;
const ROUNDS: usize = 3;

/// Bytes for each connection that has been answered once and is idle. Every figure is of a fresh process: what another
/// round has freed would be used again, and cost nothing.
pub fn print(options: &Options) {
    println!("| front | memory at rest | bytes per idle connection | ÷ bare hyper |\n|---|---:|---:|---:|");
    let mut kinds: Vec<Kind> = options.fronts.iter().copied().filter(|kind| *kind != Kind::Relay).collect();
    kinds.push(Kind::Hyper);
    let mut found: Vec<(Kind, Vec<f64>, Vec<f64>)> =
        kinds.iter().map(|kind| (*kind, Vec::new(), Vec::new())).collect();
    for _ in 0..ROUNDS {
        let options = Options { fronts: kinds.clone(), ..options.clone() };
        let bench = Bench::start(&options, &[]);
        let request = &bench.row("rejected, no key").requests[0];
        for (front, (_, rest, each)) in bench.fronts.iter().zip(&mut found) {
            rest.push(memory(front.id()) as f64 / 1024.0);
            each.push(one(front.id(), front.address, request));
        }
    }
    let bare = found.last().map_or(f64::NAN, |(.., each)| median(each));
    for (kind, rest, each) in &found {
        let each = median(each);
        println!("| {} | {:.1} MB | {each:.0} | {:.2} |", kind.name(), median(rest), each / bare);
    }
}

fn one(process: u32, address: SocketAddr, request: &[u8]) -> f64 {
    let ask = || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request).expect("a request");
        let length = stream.read(&mut [0; 4096]).expect("an answer");
        assert!(length > 0, "an answer");
        stream
    };
    // What the first of them all needs is no connection's own.
    drop(ask());
    let before = memory(process);
    let connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| ask()).collect();
    // What is given back only once nothing comes any more is given back.
    thread::sleep(Duration::from_millis(500));
    let bytes = (memory(process) as f64 - before as f64) * 1024.0 / CONNECTIONS as f64;
    drop(connections);
    bytes
}

/// A server of hyper's with nothing around it: one thread, its own defaults, one answer.
pub fn serve(listen: SocketAddr) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(listen).await.expect("the port");
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            tokio::task::spawn_local(async move {
                // How a connection ends is the client's affair.
                let _ =
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)).await;
            });
        }
    })
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"{\"fine\":true}"))))
}
