//! Mixed traffic for a long time: what is refused, what is admitted, and what no good client does. Memory must stay
//! where it was, and nothing may fail.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::load::{Arrivals, Load};
use crate::process::memory;
use crate::table::median;

/// Between two looks at the memory.
const CYCLE: Duration = Duration::from_millis(200);
const CLIENTS: usize = 32;
const MAX_DRIFT: f64 = 0.05;
/// Caches fill and every pool reaches its size before anything is compared.
const WARM_UP: Duration = Duration::from_secs(60);

/// For this long after the warm-up, on the one front that runs. `Err` where memory drifts, or something fails that
/// should not.
pub fn print(bench: &mut Bench, seconds: Duration) -> Result<(), String> {
    let (address, process) = (bench.fronts[0].address, bench.fronts[0].id());
    let rows = bench.rows.clone();
    let begun = Instant::now();
    let (mut sizes, mut requests, mut failures, mut nuisances) = (Vec::new(), 0, 0, 0);
    let mut reported = Instant::now();
    while begun.elapsed() < WARM_UP + seconds {
        for row in &rows {
            let load =
                Load { front: address, row, clients: CLIENTS, arrivals: Arrivals::Closed, time: CYCLE };
            let outcome = bench.driver.run(load, || ());
            requests += outcome.total + outcome.others.len() as u64;
            failures +=
                outcome.others.iter().filter(|(status, _)| *status >= 500).count() as u64 + outcome.lost;
        }
        nuisances += nuisance(bench, address, &rows[0].requests[0]);
        if begun.elapsed() >= WARM_UP {
            sizes.push(memory(process) as f64);
        }
        if reported.elapsed() > Duration::from_secs(60) {
            reported = Instant::now();
            eprintln!(
                "{:.0} s: {requests} requests, {:.1} MB",
                begun.elapsed().as_secs_f64(),
                memory(process) as f64 / 1024.0
            );
        }
    }
    let fifth = (sizes.len() / 5).max(1);
    let early = median(&sizes[..fifth.min(sizes.len())]);
    let late = median(&sizes[sizes.len() - fifth..]);
    let drift = late / early - 1.0;
    println!(
        "| seconds | requests | odd connections | memory early | late | drift | failures |\n|---:|---:|---:|---:|---:|---:|---:|"
    );
    println!(
        "| {:.0} | {requests} | {nuisances} | {:.1} MB | {:.1} MB | {:+.1} % | {failures} |",
        begun.elapsed().as_secs_f64(),
        early / 1024.0,
        late / 1024.0,
        drift * 100.0
    );
    if drift > MAX_DRIFT || failures > 0 {
        return Err(format!("memory drifted by {:.1} %, {failures} failures", drift * 100.0));
    }
    Ok(())
}

/// Bad heads, broken content, clients that go away in the middle; how many.
fn nuisance(bench: &mut Bench, address: SocketAddr, good: &[u8]) -> u64 {
    let bad: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /tracks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /tracks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /tr",
    ];
    let pieces: Vec<Vec<u8>> = bad.iter().map(|bytes| bytes.to_vec()).chain([good.to_vec()]).collect();
    let count = 2 * pieces.len() as u64;
    let asking = thread::spawn(move || {
        for piece in pieces {
            // Once with the answer waited for, once without.
            for waits in [true, false] {
                let Ok(mut stream) = TcpStream::connect(address) else { continue };
                let _ = stream.write_all(&piece);
                if waits {
                    let _ = stream.shutdown(Shutdown::Write);
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                    let _ = stream.read(&mut [0; 4096]);
                }
            }
        }
    });
    bench.driver.serve(|| asking.is_finished());
    asking.join().expect("it ends");
    count
}
