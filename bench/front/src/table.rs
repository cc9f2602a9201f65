//! The table: CPU time per request, all fronts in turn, row by row, round by round, until every ratio is known well enough.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::driver::Driver;
use crate::front::{Front, Kind};
use crate::load::{Arrivals, Load};
use crate::options::Options;
use crate::process::run_time;
use crate::row::Row;

/// Microseconds per request, by row and by front; `None` if a front has no such function.
pub struct Table {
    rows: Vec<(Row, Vec<Option<Vec<f64>>>)>,
    fronts: Vec<Kind>,
}

/// Measures at least the number of rounds. A row goes on until it is decided for each of its targets whether the ratio is
/// below it.
pub fn measure(bench: &mut Bench, options: &Options) -> Table {
    let Options { rounds, time, longest, .. } = *options;
    let Bench { driver, fronts, rows, .. } = bench;
    let blank = |row: &Row| fronts.iter().map(|front| applies(front.kind, row).then(Vec::new)).collect();
    let rows = rows.iter().map(|row| (row.clone(), blank(row))).collect();
    let mut table = Table { rows, fronts: fronts.iter().map(|front| front.kind).collect() };
    let started = Instant::now();
    // In the first round, which is not recorded, every key is looked up once and every connection is made.
    for round in 0.. {
        let mut is_decided = round > rounds;
        for index in 0..table.rows.len() {
            if round > rounds && table.is_decided(index) {
                continue;
            }
            is_decided = false;
            let (row, cells) = &mut table.rows[index];
            for (front, cell) in fronts.iter().zip(cells) {
                let Some(cell) = cell else { continue };
                let micros = one(driver, front, row, time);
                if round > 0 {
                    cell.push(micros);
                }
            }
        }
        if is_decided || (round >= rounds && started.elapsed() > longest) {
            break;
        }
    }
    table
}

/// A relay rejects nothing.
pub fn applies(kind: Kind, row: &Row) -> bool {
    kind != Kind::Relay || row.status == 200
}

fn one(driver: &mut Driver, front: &Front, row: &Row, time: Duration) -> f64 {
    let mut marks = Vec::new();
    let load = Load { front: front.address, row, clients: row.clients, arrivals: Arrivals::Closed, time };
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

/// The median of the rounds' ratios, and the range in which the true median is with a probability of 95 %.
struct Ratio {
    median: f64,
    low: f64,
    high: f64,
}

impl Ratio {
    fn of(ours: &[f64], theirs: &[f64]) -> Self {
        let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        let outside = outside(ratios.len());
        let (low, high) = (ratios[outside], ratios[ratios.len() - 1 - outside]);
        Self { median: median(&ratios), low, high }
    }

    fn verdict(&self, target: f64) -> &'static str {
        match () {
            () if self.high < target => "met",
            () if self.low > target => "missed",
            () => "undecided",
        }
    }
}

/// How many of the lowest and of the highest of so many values are outside of the range (the sign test's, two-sided).
fn outside(count: usize) -> usize {
    let mut probability = 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut below, mut outside) = (0.0, 0);
    for number in 0..count / 2 {
        below += probability;
        if below > 0.025 {
            break;
        }
        outside = number;
        probability *= (count - number) as f64 / (number + 1) as f64;
    }
    outside
}

impl Table {
    /// Demur's own place.
    fn own(&self) -> Option<usize> {
        self.fronts.iter().position(|kind| *kind == Kind::Demur)
    }

    fn ratio(&self, row: usize, kind: Kind) -> Option<Ratio> {
        let cells = &self.rows[row].1;
        let other = self.fronts.iter().position(|front| *front == kind)?;
        let (ours, theirs) = (cells[self.own()?].as_ref()?, cells[other].as_ref()?);
        (!ours.is_empty() && kind != Kind::Demur).then(|| Ratio::of(ours, theirs))
    }

    fn is_decided(&self, row: usize) -> bool {
        self.rows[row].0.targets.iter().all(|(kind, target)| {
            self.ratio(row, *kind).is_none_or(|ratio| ratio.verdict(*target) != "undecided")
        })
    }

    /// As Markdown: µs, then Demur's ratio to each other front, then the verdicts.
    pub fn print(&self) {
        let names: Vec<&str> = self.fronts.iter().map(|kind| kind.name()).collect();
        println!("| CPU µs per request (median) | rounds | {} |", names.join(" | "));
        println!("|---|{}", "---:|".repeat(names.len() + 1));
        for (row, cells) in &self.rows {
            let rounds = cells.iter().flatten().map(Vec::len).max().unwrap_or(0);
            let medians = cells.iter().map(|cell| {
                cell.as_deref().map_or_else(String::new, |values| format!("{:.1}", median(values)))
            });
            println!("| {} | {rounds} | {} |", row.name, medians.collect::<Vec<_>>().join(" | "));
        }
        println!("\n| Demur ÷ | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
        for (index, (row, _)) in self.rows.iter().enumerate() {
            let ratios = self.fronts.iter().map(|kind| {
                self.ratio(index, *kind).map_or_else(String::new, |ratio| {
                    format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high)
                })
            });
            println!("| {} | {} |", row.name, ratios.collect::<Vec<_>>().join(" | "));
        }
        println!("\n| target | ratio | range | verdict |\n|---|---:|---|---|");
        for (index, (row, _)) in self.rows.iter().enumerate() {
            for (kind, target) in row.targets {
                if let Some(ratio) = self.ratio(index, *kind) {
                    let Ratio { median, low, high } = ratio;
                    let (name, verdict) = (kind.name(), ratio.verdict(*target));
                    println!(
                        "| {} below {target} × {name} | {median:.2} | {low:.2}–{high:.2} | {verdict} |",
                        row.name
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::outside;

    /// Of the tables of the sign test.
    #[test]
    fn the_range_is_that_of_the_sign_test() {
        for (count, expected) in [(1, 0), (5, 0), (7, 0), (9, 1), (12, 2), (15, 3), (20, 5), (30, 9)] {
            assert_eq!(outside(count), expected, "{count}");
        }
    }
}
