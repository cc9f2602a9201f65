//! The `--help` text of every command (`golden/help.txt`). `DEMUR_UPDATE_GOLDENS=1` writes it again: read the
//! difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// `demur PATH --help`, without the variables of this machine.
fn help(path: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
    let output = command.env_clear().args(path).arg("--help").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{path:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // clap indents empty lines.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The commands in a help text.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names =
        list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn write(path: &[String], all: &mut String) {
    let help = help(path);
    let words: Vec<&str> = ["demur"].into_iter().chain(path.iter().map(String::as_str)).collect();
    writeln!(all, "$ {} --help\n{help}", words.join(" ")).unwrap();
    for name in commands(&help) {
        write(&[path, &[name]].concat(), all);
    }
}

#[test]
fn help_texts_match_the_golden() {
    let mut all = String::new();
    write(&[], &mut all);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help.txt");
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string(&golden).unwrap_or_default());
}

/// Each line of the list is at most one line on a wide terminal, starts with a capital letter and has no full stop.
#[test]
fn every_command_has_a_one_line_summary() {
    let mut pending: Vec<Vec<String>> = vec![Vec::new()];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        let help = help(&path);
        let summary = help.lines().next().unwrap();
        assert!(summary.len() <= 100, "{path:?}: {summary}");
        assert!(summary.starts_with(|first: char| first.is_ascii_uppercase()), "{path:?}: {summary}");
        assert!(!summary.ends_with('.') && help.lines().nth(1) == Some(""), "{path:?}: {summary}");
        count += 1;
        pending.extend(commands(&help).into_iter().map(|name| [&path[..], &[name]].concat()));
    }
    assert!(count >= 30, "only {count} commands");
}
