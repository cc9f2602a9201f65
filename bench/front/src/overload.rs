//! Three times what can be done: how much of it is done all the same, and how quickly the rest is refused.
//!
//! Twice: where the front is what is short, and where the service behind it is. In the second case a front that lets
//! everything through makes everything late; an answer later than a client waits for is no answer.

use std::time::Duration;

use crate::bench::Bench;
use crate::front::Kind;
use crate::load::{Arrivals, Load, Outcome, millis_at};
use crate::row::{self, Row};
use crate::row::CLIENTS;

const FACTOR: f64 = 3.0;
/// Connections while it is too much: so many requests are under way at once, and what finds them all busy goes away.
const CLIENTS_IN_OVERLOAD: usize = 2_000;
const PATIENCE: Duration = Duration::from_millis(500);
/// So many times as long as the peak is measured: an overload lasts, and what it takes to notice it is a part of it.
const LONGER: u32 = 30;
/// What the service can do, where it is the service that is short.
const SERVICE_RATE: f64 = 2_000.0;

/// Each front, one after the other. `Err` where Demur misses the goal.
pub fn print(bench: &mut Bench, time: Duration) -> Result<(), String> {
    println!(
        "| short of | front | peak/s | at three times that: good/s | ÷ peak | refused/s | refusals' p99 ms | late/s | lost/s | unsent/s |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut missed = Vec::new();
    let cases = [
        ("the front", row::large(&bench.site.keys), None),
        ("the service", bench.row("admitted"), Some(SERVICE_RATE)),
    ];
    for (short, row, pace) in cases {
        for at in 0..bench.fronts.len() {
            let kind = bench.fronts[at].kind;
            // Of the others none looks into the content, so that they would not be the ones who are short.
            if pace.is_none() && kind != Kind::Demur {
                continue;
            }
            let peak = one(bench, at, &row, pace, CLIENTS, Arrivals::Closed, 3 * time).rate();
            let arrivals = Arrivals::Open { rate: FACTOR * peak, waits: Duration::ZERO, patience: PATIENCE };
            let outcome = one(bench, at, &row, pace, CLIENTS_IN_OVERLOAD, arrivals, LONGER * time);
            let seconds = outcome.elapsed.as_secs_f64();
            let refusals: Vec<u64> = outcome.others.iter().map(|(_, nanos)| *nanos).collect();
            let (kept, slowest) = (outcome.rate() / peak, millis_at(&refusals, 990));
            println!(
                "| {short} | {} | {peak:.0} | {:.0} | {kept:.2} | {:.0} | {slowest:.1} | {:.0} | {:.0} | {:.0} |",
                kind.name(),
                outcome.rate(),
                refusals.len() as f64 / seconds,
                outcome.late as f64 / seconds,
                outcome.lost as f64 / seconds,
                outcome.unsent as f64 / seconds,
            );
            if kind == Kind::Demur && (kept < 0.8 || slowest > 20.0) {
                missed.push(format!(
                    "short of {short}: {kept:.2} of the peak, refusals within {slowest:.1} ms"
                ));
            }
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("; ")) }
}

fn one(
    bench: &mut Bench,
    at: usize,
    row: &Row,
    pace: Option<f64>,
    clients: usize,
    arrivals: Arrivals,
    time: Duration,
) -> Outcome {
    bench.driver.pace(pace);
    let load = Load { front: bench.fronts[at].address, row, clients, arrivals, time };
    let outcome = bench.driver.run(load, || ());
    // What is still in line at the service is answered, so that the next run begins with nothing in it.
    let begun = std::time::Instant::now();
    bench.driver.pace(None);
    bench.driver.serve(|| begun.elapsed() > Duration::from_millis(500));
    outcome
}
