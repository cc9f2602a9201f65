//! `make bench`: the front beside nginx, HAProxy, Envoy and a byte relay, all of them doing the same work.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program for developers, which should stop where something is wrong")]

mod counts;
mod driver;
mod front;
mod message;
mod process;
mod relay;
mod row;
mod site;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use driver::Driver;
use front::{Front, Kind, Programs};
use rustix::thread::{CpuSet, sched_setaffinity};
use site::Site;

/// The fronts' core, and that of everything else.
const FRONT_CORE: usize = 0;
const OTHER_CORE: usize = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["relay", listen, service] => {
            relay::relay(listen.parse().expect("an address"), service.parse().expect("an address"))
        }
        [what @ ("table" | "calls" | "instructions" | "threads"), folder, programs, demur, rest @ ..] => {
            let rounds = rest.first().map_or(5, |text| text.parse().expect("a number"));
            let time = Duration::from_millis(rest.get(1).map_or(1000, |text| text.parse().expect("a number")));
            let programs = Programs { others: PathBuf::from(programs), demur: PathBuf::from(demur) };
            stay(OTHER_CORE);
            let site = Site::open(Path::new(folder));
            let mut driver = Driver::new();
            let kinds: Vec<Kind> = match std::env::var("FRONTS") {
                Ok(names) => names.split(',').map(|name| Kind::named(name).expect("a front")).collect(),
                Err(_) => Kind::ALL.to_vec(),
            };
            let wrapper: &[&str] = if *what == "instructions" { &counts::COUNTED } else { &[] };
            let fronts: Vec<Front> = kinds
                .into_iter()
                .map(|kind| Front::start(kind, &programs, &site, driver.service(), FRONT_CORE, wrapper))
                .collect();
            let rows = row::rows(&site.keys);
            for front in &fronts {
                warm(front, &site, &mut driver);
            }
            match *what {
                "table" => {
                    // Unrecorded: every key is looked up once, and every connection is made.
                    table::measure(&mut driver, &fronts, &rows, 1, time);
                    table::measure(&mut driver, &fronts, &rows, rounds, time).print();
                }
                "threads" => {
                    for row in &rows {
                        for front in fronts.iter().filter(|front| table::applies(front.kind, row)) {
                            driver.run(front.address, row, 64, driver::Arrivals::Closed, time, || ());
                            let mut marks = Vec::new();
                            let mark = || marks.push(process::run_times(front.id()));
                            let outcome = driver.run(front.address, row, 64, driver::Arrivals::Closed, time, mark);
                            let split: Vec<String> = marks[1]
                                .iter()
                                .map(|(name, end)| {
                                    let begin = marks[0].get(name).copied().unwrap_or_default();
                                    format!("{name} {:.2}", (end - begin) as f64 / 1000.0 / outcome.answers as f64)
                                })
                                .collect();
                            println!("{}, {}: {:.0}/s, µs {}", row.name, front.kind.name(), outcome.answers as f64 / outcome.elapsed.as_secs_f64(), split.join(", "));
                        }
                    }
                }
                "calls" => {
                    for row in &rows {
                        for front in fronts.iter().filter(|front| table::applies(front.kind, row)) {
                            driver.run(front.address, row, 64, driver::Arrivals::Closed, time, || ());
                            let calls = counts::system_calls(&mut driver, front, row, time);
                            let total: f64 = calls.iter().map(|(_, count)| count).sum();
                            let most: Vec<String> =
                                calls.iter().take(8).map(|(name, count)| format!("{name} {count:.2}")).collect();
                            println!("{}, {}: {total:.2} ({})", row.name, front.kind.name(), most.join(", "));
                        }
                    }
                }
                _ => {
                    for row in &rows {
                        for front in fronts.iter().filter(|front| table::applies(front.kind, row)) {
                            let count = counts::instructions(&mut driver, front, row, site.folder(), 2 * time);
                            println!("{}, {}: {count:.0} instructions", row.name, front.kind.name());
                        }
                    }
                }
            }
        }
        _ => panic!("what?"),
    }
}

fn warm(front: &Front, site: &Site, driver: &mut Driver) {
    use std::io::{Read, Write};
    if front.kind == Kind::Relay {
        return;
    }
    let address = front.address;
    let request = row::row(&site.keys, "rate limited").requests[0].clone();
    let asking = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        for _ in 0..3 {
            stream.write_all(&request).expect("a request");
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).expect("an answer");
            if std::env::var("SHOW").is_ok() { println!("{}\n", String::from_utf8_lossy(&buffer[..length])); }
        }
    });
    driver.serve(|| asking.is_finished());
    asking.join().expect("answers");
}

fn stay(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("there is such a core");
}
