//! The documentation: every link leads somewhere, the summary lists every page once, the command-line page is what
//! `--help` prints, and every example is run.
//!
//! The examples of a page are one session in a folder of their own, from top to bottom (`examples.rs`):
//!
//! - a block `LANGUAGE file=NAME` is written to that file, with `append` added to its end;
//! - a block `console` is run: each line that begins with `$ ` is a command, the lines below it are its output;
//! - a block `console terminal` is a command that goes on, as in another terminal: the lines below it must appear. The
//!   same command again ends the one before;
//! - a line `<!-- continues PAGE -->` runs the examples of that page first.
//!
//! In expected output `…` stands for any text, and a line that is `…` alone for any number of lines. Request IDs, keys
//! and times are compared by their form. A key that a page shows stands for the one that was printed in its place. The ports 8080, 8092 and 9000 stand for ports that are free.
//! Other blocks (`sh`, `text`, `nginx`) are not run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod examples;
mod links;
mod pages;

use std::fmt::Write as _;
use std::fs;

use demur_e2e::run;
use pages::{Page, docs, pages};

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let broken: Vec<String> = pages().iter().flat_map(links::broken).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_summary_lists_every_page_once() {
    let summary = Page::read(&docs().join("SUMMARY.md"));
    let mut listed: Vec<String> = links::targets(&summary).into_iter().map(|(_, target)| target).collect();
    listed.sort();
    let mut there: Vec<String> = pages()
        .iter()
        .filter_map(|page| page.path.strip_prefix(docs()).ok().map(|path| path.display().to_string()))
        .filter(|path| path != "SUMMARY.md")
        .collect();
    there.sort();
    assert_eq!(listed, there);
}

/// `DEMUR_UPDATE_DOCS=1` writes the page anew.
#[test]
fn the_command_line_page_is_what_help_prints() {
    let path = docs().join("reference/command-line.md");
    let page = Page::read(&path).text;
    let (head, _) = page.split_once("## `demur`\n").unwrap();
    let expected = format!("{head}{}", help_of(&[]));
    if std::env::var_os("DEMUR_UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert_eq!(page, expected, "run it with DEMUR_UPDATE_DOCS=1");
}

/// A command's section and those of its subcommands. The global options are shown once, with `demur` itself.
fn help_of(command: &[&str]) -> String {
    let mut arguments = command.to_vec();
    arguments.push("--help");
    let outcome = run(&arguments, &docs());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let help = outcome.stdout.trim_end();
    let own = if command.is_empty() { help } else { help.split("\n\nGlobal options:").next().unwrap() };
    let lines: Vec<&str> = own.lines().map(str::trim_end).collect();
    let name: String = command.iter().fold("demur".to_owned(), |name, word| format!("{name} {word}"));
    let mut section = format!("## `{name}`\n\n```text\n{}\n```\n", lines.join("\n"));
    for subcommand in subcommands(help) {
        let mut path = command.to_vec();
        path.push(subcommand);
        write!(section, "\n{}", help_of(&path)).unwrap();
    }
    section
}

/// The names below `Commands:`, but for `help`.
fn subcommands(help: &str) -> Vec<&str> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let rows = list.lines().take_while(|line| !line.is_empty());
    let names = rows.filter(|row| row.starts_with("  ") && !row.starts_with("   "));
    names.filter_map(|row| row.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn every_example_runs_and_prints_what_its_page_shows() {
    let pages: Vec<Page> = pages().into_iter().filter(examples::has_some).collect();
    assert!(pages.len() >= 8, "only {} pages have examples", pages.len());
    let failed: Vec<String> = pages.iter().filter_map(|page| examples::check(page).err()).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n\n"));
}
