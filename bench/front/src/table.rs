//! The table: time on the processor per request, all fronts in turn, row by row, round by round.

use std::time::Duration;

use crate::driver::{Arrivals, Driver};
use crate::front::{Front, Kind};
use crate::process::run_time;
use crate::row::Row;

/// Connections that clients keep.
const CLIENTS: usize = 64;

/// Microseconds per request, by row and by front; `None` where a front does no such thing.
pub struct Table {
    cells: Vec<(&'static str, Vec<Option<Vec<f64>>>)>,
    fronts: Vec<Kind>,
}

/// Measures.
pub fn measure(driver: &mut Driver, fronts: &[Front], rows: &[Row], rounds: usize, time: Duration) -> Table {
    let blank = |kind: Kind, row: &Row| applies(kind, row).then(Vec::new);
    let mut cells: Vec<_> =
        rows.iter().map(|row| (row.name, fronts.iter().map(|front| blank(front.kind, row)).collect::<Vec<_>>())).collect();
    for _ in 0..rounds {
        for (row, (_, cells)) in rows.iter().zip(&mut cells) {
            for (front, cell) in fronts.iter().zip(cells) {
                let Some(cell) = cell else { continue };
                cell.push(one(driver, front, row, time));
            }
        }
    }
    Table { cells, fronts: fronts.iter().map(|front| front.kind).collect() }
}

/// A relay refuses nothing.
pub fn applies(kind: Kind, row: &Row) -> bool {
    kind != Kind::Relay || row.status == 200
}

/// Microseconds per request in one round.
pub fn one(driver: &mut Driver, front: &Front, row: &Row, time: Duration) -> f64 {
    let mut marks = Vec::new();
    let outcome =
        driver.run(front.address, row, CLIENTS, Arrivals::Closed, time, || marks.push(run_time(front.id())));
    (marks[1] - marks[0]) as f64 / 1000.0 / outcome.answers as f64
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
        println!("\nLowest and highest round:");
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
