//! What a request costs that a quiet machine is not needed for: system calls, by strace, and instructions, by callgrind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::Bench;
use crate::driver::Driver;
use crate::front::Front;
use crate::load::{Arrivals, Load};
use crate::process::run_times;
use crate::row::Row;
use crate::table::applies;

/// What is put before a front's command line, so that its instructions can be counted.
pub const COUNTED: [&str; 4] = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes"];

/// One line for each row and front.
pub fn print_calls(bench: &mut Bench, time: Duration) {
    println!("| system calls per request | front | in all | of them |\n|---|---|---:|---|");
    each(bench, |driver, front, row| {
        driver.run(closed(front, row, time), || ());
        let calls = system_calls(driver, front, row, time);
        let total: f64 = calls.iter().map(|(_, count)| count).sum();
        let most: Vec<String> =
            calls.iter().take(8).map(|(name, count)| format!("{name} {count:.2}")).collect();
        println!("| {} | {} | {total:.2} | {} |", row.name, front.kind.name(), most.join(", "));
    });
}

/// The same for instructions; the fronts were started behind [`COUNTED`].
pub fn print_instructions(bench: &mut Bench, time: Duration) {
    println!("| instructions in user space per request | front | count |\n|---|---|---:|");
    let folder = bench.site.folder().to_owned();
    each(bench, |driver, front, row| {
        let count = instructions(driver, front, row, &folder, time);
        println!("| {} | {} | {count:.0} |", row.name, front.kind.name());
    });
}

/// Which of a front's threads the time goes to.
pub fn print_threads(bench: &mut Bench, time: Duration) {
    println!("| row | front | requests/s | µs per request of each thread |\n|---|---|---:|---|");
    each(bench, |driver, front, row| {
        driver.run(closed(front, row, time), || ());
        let mut marks = Vec::new();
        let outcome = driver.run(closed(front, row, time), || marks.push(run_times(front.id())));
        let of = |(name, end): (&String, &u64)| {
            let begin = marks[0].get(name).copied().unwrap_or_default();
            format!("{name} {:.2}", (end - begin) as f64 / 1000.0 / outcome.good as f64)
        };
        let split: Vec<String> = marks[1].iter().map(of).collect();
        println!("| {} | {} | {:.0} | {} |", row.name, front.kind.name(), outcome.rate(), split.join(", "));
    });
}

fn each(bench: &mut Bench, mut work: impl FnMut(&mut Driver, &Front, &Row)) {
    let Bench { driver, fronts, rows, .. } = bench;
    for row in rows {
        for front in fronts.iter().filter(|front| applies(front.kind, row)) {
            work(driver, front, row);
        }
    }
}

fn closed<'r>(front: &Front, row: &'r Row, time: Duration) -> Load<'r> {
    Load { front: front.address, row, clients: row.clients, arrivals: Arrivals::Closed, time }
}

/// System calls per request, by name, the most frequent first.
fn system_calls(driver: &mut Driver, front: &Front, row: &Row, time: Duration) -> Vec<(String, f64)> {
    let file = std::env::temp_dir().join(format!("calls-{}", front.id()));
    let mut tracer = Command::new("strace")
        .args(["-c", "-f", "-o"])
        .arg(&file)
        .args(["-p", &front.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is needed");
    await_tracer(front.id());
    let outcome = driver.run(closed(front, row, time), || ());
    interrupt(&mut tracer);
    let text = fs::read_to_string(&file).expect("what strace counted");
    let _ = fs::remove_file(&file);
    let mut calls: Vec<(String, f64)> = text
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, _, _, count, .., name] = words.as_slice() else { return None };
            let count: f64 = count.parse().ok()?;
            (*name != "total").then(|| ((*name).to_owned(), count / outcome.total as f64))
        })
        .collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    calls
}

/// Until every thread is traced.
fn await_tracer(process: u32) {
    let started = Instant::now();
    let untraced = || {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process is there");
        tasks.filter_map(Result::ok).any(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && line.ends_with("\t0"))
        })
    };
    while untraced() {
        assert!(started.elapsed() < Duration::from_secs(10), "strace does not attach");
        thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(child: &mut Child) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::INT).expect("it is ours");
    let _ = child.wait();
}

/// Instructions in user space per request, of a front that was started with [`COUNTED`], and the functions in which
/// most of them are.
fn instructions(driver: &mut Driver, front: &Front, row: &Row, folder: &Path, time: Duration) -> f64 {
    let id = front.id().to_string();
    // Everything is warm before it counts: every key has been looked up.
    let mut warm = 0;
    while warm < row.requests.len() as u64 {
        warm += driver.run(closed(front, row, time), || ()).total.max(1);
    }
    control(&["-i", "on", &id]);
    let outcome = driver.run(closed(front, row, time), || ());
    outcome.check();
    control(&["-i", "off", &id]);
    control(&["-d", &id]);
    let mut dumps: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(number) = name.strip_prefix(&format!("callgrind.out.{id}.")) else { continue };
        let text = fs::read_to_string(entry.path()).expect("a dump");
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        dumps.insert(
            number.parse().expect("a number"),
            total.and_then(|total| total.parse().ok()).expect("a total"),
        );
    }
    let (_, last) = dumps.pop_last().expect("a dump was made");
    last as f64 / outcome.total as f64
}

fn control(words: &[&str]) {
    let status =
        Command::new("callgrind_control").args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("valgrind is needed").success(), "callgrind_control {words:?}");
}
