//! Two thousand clients that send their heads a few bytes at a time (slowhttptest), and what the healthy ones notice.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::front::Kind;
use crate::load::{Arrivals, Load, millis_at};
use crate::row::CLIENTS;

const RATE: f64 = 2_000.0;
const PATIENCE: Duration = Duration::from_secs(30);
const SLOW: &str = "2000";

/// Each front, one after the other. `Err` where Demur misses the goal.
pub fn print(bench: &mut Bench, programs: &Path, time: Duration) -> Result<(), String> {
    println!(
        "| healthy p99 ms at {RATE:.0} a second | alone | with {SLOW} slow connections | ÷ |\n|---|---:|---:|---:|"
    );
    let row = bench.row("admitted");
    let mut missed = None;
    for front in &bench.fronts {
        let arrivals = Arrivals::Open { rate: RATE, waits: PATIENCE, patience: PATIENCE };
        let load = Load { front: front.address, row: &row, clients: CLIENTS, arrivals, time };
        let alone = bench.driver.run(load, || ());
        alone.check();
        let mut slow = attack(programs, &format!("http://{}/tracks", front.address));
        let begun = Instant::now();
        bench.driver.serve(|| begun.elapsed() > Duration::from_secs(4));
        assert!(slow.try_wait().expect("our child").is_none(), "slowhttptest ended early");
        let meanwhile = bench.driver.run(load, || ());
        // It is ours; an error says that it has ended by itself.
        let _ = slow.kill();
        let _ = slow.wait();
        meanwhile.check();
        let (alone, meanwhile) = (millis_at(&alone.latencies, 990), millis_at(&meanwhile.latencies, 990));
        println!("| {} | {alone:.2} | {meanwhile:.2} | {:.2} |", front.kind.name(), meanwhile / alone);
        if front.kind == Kind::Demur && meanwhile > 2.0 * alone {
            missed = Some(format!("slow connections: p99 {meanwhile:.2} ms instead of {alone:.2} ms"));
        }
    }
    missed.map_or(Ok(()), Err)
}

/// Opens a thousand connections a second, and sends a field on each every three seconds.
fn attack(programs: &Path, url: &str) -> Child {
    let words = [
        "-H", "-c", SLOW, "-r", "1000", "-i", "3", "-l", "60", "-x", "24", "-t", "GET", "-p", "3", "-u", url,
    ];
    let mut command = Command::new(programs.join("slowhttptest"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
