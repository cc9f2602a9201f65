//! The front beside nginx, HAProxy, Envoy and a byte relay, all of them doing the same work: `make bench`, `make overload`,
//! `make soak`. See `docs/explanation/benchmarks.md` for what is measured and how.

mod bench;
mod counts;
mod driver;
mod front;
mod idle;
mod latency;
mod load;
mod message;
mod options;
mod overload;
mod process;
mod relay;
mod row;
mod site;
mod slow;
mod soak;
mod table;

use std::net::SocketAddr;
use std::process::ExitCode;

use bench::Bench;
use front::Kind;
use options::Options;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = |at: usize| -> SocketAddr { words[at].parse().expect("an address") };
    let options = |from: usize| Options::read(&words[from..]);
    match words.first().map(String::as_str) {
        // Two fronts that this program is itself, as processes of their own.
        Some("relay") => relay::relay(address(1), address(2)),
        Some("hyper") => idle::serve(address(1)),
        Some("table") => {
            let options = options(1);
            table::measure(&mut Bench::start(&options, &[]), &options).print();
        }
        Some("idle") => idle::print(&options(1)),
        Some("latency") => {
            let options = options(1);
            latency::print(&mut Bench::start(&options, &[]), options.rounds, options.time);
        }
        Some("calls") => counts::print_calls(&mut Bench::start(&options(1), &[]), options(1).time),
        Some("threads") => counts::print_threads(&mut Bench::start(&options(1), &[]), options(1).time),
        Some("instructions") => {
            counts::print_instructions(&mut Bench::start(&options(1), &counts::COUNTED), 3 * options(1).time);
        }
        Some("overload") => {
            return told(overload::print(&mut Bench::start(&options(1), &[]), options(1).time));
        }
        Some("slow") => {
            let options = options(1);
            return told(slow::print(&mut Bench::start(&options, &[]), &options.others, 3 * options.time));
        }
        Some("soak") => {
            let mut options = options(1);
            options.fronts = vec![Kind::Demur];
            return told(soak::print(&mut Bench::start(&options, &[]), options.seconds));
        }
        _ => {
            eprintln!("table, idle, latency, calls, threads, instructions, overload, slow or soak");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn told(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(missed) => {
            eprintln!("missed: {missed}");
            ExitCode::FAILURE
        }
    }
}
