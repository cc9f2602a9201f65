//! Two tables in one run, interleaved: every built-in contract, and the crates that do the like.
//!
//! `demur-bench-contract` prints them; `demur-bench-contract count CASE render|parse N` does one thing N times, for
//! `valgrind --tool=callgrind`; `demur-bench-contract cases` prints every case of the first table with its medians.

use std::hint::black_box;
use std::time::Instant;

use demur_bench_contract::{Case, contract, every, peers};
use demur_contract::{Contract, builtin};

const ROUNDS: usize = 101;
const TIMES: u32 = 50;

/// One thing that is timed, and the time of one go in each round, in nanoseconds.
struct Row<'w> {
    work: Box<dyn Fn(&mut Vec<u8>) -> usize + 'w>,
    nanos: Vec<f64>,
}

impl<'w> Row<'w> {
    fn new(work: impl Fn(&mut Vec<u8>) -> usize + 'w) -> Self {
        Self { work: Box::new(work), nanos: Vec::with_capacity(ROUNDS) }
    }

    fn round(&mut self, out: &mut Vec<u8>) {
        // Once for the caches: a gateway that is asked for speed has the contract in them.
        black_box((self.work)(out));
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box((self.work)(out));
        }
        self.nanos.push(start.elapsed().as_nanos() as f64 / f64::from(TIMES));
    }

    fn median(&self) -> f64 {
        median(&self.nanos)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let contracts: Vec<Contract> = builtin::names().map(contract).collect();
    let cases: Vec<(&Contract, Case)> =
        contracts.iter().flat_map(|contract| every(contract).into_iter().map(move |case| (contract, case))).collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["count", name, what, times] => count(&cases, name, what, times.parse().expect("a number")),
        ["cases"] => tables(&contracts, &cases, true),
        _ => tables(&contracts, &cases, false),
    }
}

fn count(cases: &[(&Contract, Case)], name: &str, what: &str, times: u64) {
    let (contract, case) = cases.iter().find(|(_, case)| case.name == name).expect("a case of the table");
    let mut out = Vec::with_capacity(4096);
    for _ in 0..times {
        black_box(match what {
            "render" => case.render(contract, &mut out),
            _ => case.parse(contract),
        });
    }
}

fn tables(contracts: &[Contract], cases: &[(&Contract, Case)], each: bool) {
    let works: Vec<peers::Work> = [false, true].into_iter().flat_map(peers::works).collect();
    let mut renders: Vec<Row<'_>> =
        cases.iter().map(|(contract, case)| Row::new(|out| case.render(contract, out))).collect();
    let mut parses: Vec<Row<'_>> =
        cases.iter().map(|(contract, case)| Row::new(|_| case.parse(contract))).collect();
    let mut peers_render: Vec<Row<'_>> = works.iter().map(|work| Row::new(|out| (work.render)(out))).collect();
    let mut peers_parse: Vec<Row<'_>> = works.iter().map(|work| Row::new(|_| (work.parse)())).collect();
    let mut out = Vec::with_capacity(4096);
    for _ in 0..ROUNDS {
        let rows = renders.iter_mut().chain(&mut parses).chain(&mut peers_render).chain(&mut peers_parse);
        rows.for_each(|row| row.round(&mut out));
    }

    if each {
        println!("| answer | bytes | render ns | parse ns |\n|---|---|---|---|");
        for (((_, case), render), parse) in cases.iter().zip(&renders).zip(&parses) {
            println!("| {} | {} | {:.0} | {:.0} |", case.name, case.content.len(), render.median(), parse.median());
        }
        println!();
    }
    println!("| contract | answers | render: median | slowest | parse: median | slowest |\n|---|---|---|---|---|---|");
    for contract in contracts {
        let of = |rows: &[Row<'_>]| -> Vec<f64> {
            let rows = rows.iter().zip(cases).filter(|(_, (of, _))| std::ptr::eq(*of, contract));
            rows.map(|(row, _)| row.median()).collect()
        };
        let (render, parse) = (of(&renders), of(&parses));
        let slowest = |nanos: &[f64]| nanos.iter().copied().fold(0.0, f64::max);
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | {:.0} |",
            contract.name(),
            render.len(),
            median(&render),
            slowest(&render),
            median(&parse),
            slowest(&parse)
        );
    }
    println!("\n| one problem document | render | parse | with a violation: render | parse |\n|---|---|---|---|---|");
    let peers = works.len() / 2;
    for index in 0..peers {
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} |",
            works[index].peer,
            peers_render[index].median(),
            peers_parse[index].median(),
            peers_render[peers + index].median(),
            peers_parse[peers + index].median()
        );
    }
}
