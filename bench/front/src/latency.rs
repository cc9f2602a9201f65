//! Latency at a fixed rate. A request counts from the moment at which it was due, so that a front that stalls is charged
//! for all that it kept waiting.

use std::time::Duration;

use crate::bench::Bench;
use crate::front::Kind;
use crate::load::{Arrivals, Load, millis_at};
use crate::row::CLIENTS;
use crate::table::median;

/// A second: about a third of what the slowest of the fronts can do.
const RATE: f64 = 5_000.0;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The row `admitted`, all fronts in turn.
pub fn print(bench: &mut Bench, rounds: usize, time: Duration) {
    println!("| admitted, at {RATE:.0} a second | p50 ms | p99 ms | p99.9 ms |\n|---|---:|---:|---:|");
    let row = bench.row("admitted");
    let mut cells: Vec<(Kind, [Vec<f64>; 3])> =
        bench.fronts.iter().map(|front| (front.kind, Default::default())).collect();
    for _ in 0..rounds {
        for (front, (_, cells)) in bench.fronts.iter().zip(&mut cells) {
            let arrivals = Arrivals::Open { rate: RATE, waits: PATIENCE, patience: PATIENCE };
            let load = Load { front: front.address, row: &row, clients: CLIENTS, arrivals, time: 2 * time };
            let outcome = bench.driver.run(load, || ());
            outcome.check();
            for (cell, thousandths) in cells.iter_mut().zip([500, 990, 999]) {
                cell.push(millis_at(&outcome.latencies, thousandths));
            }
        }
    }
    for (kind, [half, most, nearly]) in &cells {
        println!("| {} | {:.2} | {:.2} | {:.2} |", kind.name(), median(half), median(most), median(nearly));
    }
}
