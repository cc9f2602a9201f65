//! What the kernel says of a process: time on the processor and memory.

use std::collections::BTreeMap;
use std::fs;

/// Nanoseconds that all of a process's threads have run for, the kernel's work for them included. Finer than `utime` and
/// `stime`, which count in hundredths of a second.
pub fn run_time(process: u32) -> u64 {
    run_times(process).values().sum()
}

/// The same for each of its threads, by their names.
pub fn run_times(process: u32) -> BTreeMap<String, u64> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).expect("the process is there") {
        let task = task.expect("a thread").path();
        // A thread may end meanwhile; what it did is lost then, and none of the fronts does so while it serves.
        let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default();
        *times.entry(name.trim().to_owned()).or_default() += nanos;
    }
    times
}

/// Kilobytes of memory that belong to the process: its own pages, and its share of the common ones.
pub fn memory(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the process is there");
    let line = text.lines().find(|line| line.starts_with("Pss:")).expect("a sum");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).expect("a number")
}
