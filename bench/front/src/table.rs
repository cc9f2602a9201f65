//! The table: time on the processor per request, all fronts in turn, row by row, round by round.

use std::time::Duration;

use crate::bench::Bench;
use crate::driver::Driver;
use crate::front::{Front, Kind};
use crate::load::{Arrivals, Load};
use crate::process::run_time;
use crate::row::Row;

/// Connections that clients keep.
pub const CLIENTS: usize = 64;

/// Microseconds per request, by row and by front; `None` where a front does no such thing.
pub struct Table {
    cells: Vec<(&'static str, Vec<Option<Vec<f64>>>)>,
    fronts: Vec<Kind>,
}

/// Measures.
pub fn measure(bench: &mut Bench, rounds: usize, time: Duration) -> Table {
    let Bench { driver, fronts, rows, .. } = bench;
    let blank = |row: &Row| fronts.iter().map(|front| applies(front.kind, row).then(Vec::new)).collect();
    let mut cells: Vec<(&'static str, Vec<Option<Vec<f64>>>)> =
        rows.iter().map(|row| (row.name, blank(row))).collect();
    // In the first round, which is not recorded, every key is looked up once and every connection is made.
    for round in 0..=rounds {
        for (row, (_, cells)) in rows.iter().zip(&mut cells) {
            for (front, cell) in fronts.iter().zip(cells) {
                let Some(cell) = cell else { continue };
                let micros = one(driver, front, row, time);
                if round > 0 {
                    cell.push(micros);
                }
            }
        }
    }
    Table { cells, fronts: fronts.iter().map(|front| front.kind).collect() }
}

/// A relay refuses nothing.
pub fn applies(kind: Kind, row: &Row) -> bool {
    kind != Kind::Relay || row.status == 200
}

fn one(driver: &mut Driver, front: &Front, row: &Row, time: Duration) -> f64 {
    let mut marks = Vec::new();
    let load = Load { front: front.address, row, clients: CLIENTS, arrivals: Arrivals::Closed, time };
    let outcome = driver.run(load, || marks.push(run_time(front.id())));
    outcome.check();
    (marks[1] - marks[0]) as f64 / 1000.0 / outcome.good as f64
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Table {
    /// As Markdown: µs, then the ratio of the last front to each other one.
    pub fn print(&self) {
        let names: Vec<&str> = self.fronts.iter().map(|kind| kind.name()).collect();
        let last = names.len() - 1;
        print!("| CPU µs per request | {} |", names.join(" | "));
        names[..last].iter().for_each(|name| print!(" {} ÷ {name} |", names[last]));
        println!("\n|---|{}", "---:|".repeat(names.len() * 2 - 1));
        for (name, cells) in &self.cells {
            let medians: Vec<Option<f64>> = cells.iter().map(|cell| cell.as_deref().map(median)).collect();
            print!("| {name} |");
            for cell in &medians {
                cell.map_or_else(|| print!(" |"), |micros| print!(" {micros:.1} |"));
            }
            for other in &medians[..last] {
                match (medians[last], other) {
                    (Some(ours), Some(theirs)) => print!(" {:.2} |", ours / theirs),
                    _ => print!(" |"),
                }
            }
            println!();
        }
        println!("\nLowest and highest round:\n");
        for (name, cells) in &self.cells {
            let spread: Vec<String> = cells
                .iter()
                .zip(&names)
                .filter_map(|(cell, name)| cell.as_ref().map(|cell| (cell, name)))
                .map(|(cell, name)| {
                    let least = cell.iter().copied().fold(f64::MAX, f64::min);
                    let most = cell.iter().copied().fold(0.0, f64::max);
                    format!("{name} {least:.1}–{most:.1}")
                })
                .collect();
            println!("- {name}: {}", spread.join(", "));
        }
    }
}
