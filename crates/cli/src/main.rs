//! The binary `demur`.
//!
//! Data goes to standard output, messages to standard error. Exit codes: 0 fine, 1 findings, 2 usage,
//! 3 the configuration cannot load, 4 something cannot be opened, bound or reached.

mod args;
mod commands;
mod demo;
mod exit;
mod log;
mod output;
mod serving;
mod standing;

use args::{Args, CliCommand};

/// A request allocates many small pieces on one thread and frees them there. Of those that were tried this one costs
/// least time, and least memory for a connection that is idle.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    let args = Args::from_process();
    let output = output::Output::new(args.format, args.color, args.quiet);
    let done = match args.verb {
        CliCommand::Demo(demo) => demo::run(&demo, &output),
        CliCommand::Serve(serve) => commands::serve::run(&serve, &output),
        CliCommand::Check(check) => commands::check::run(&check, &output),
        CliCommand::Init(init) => commands::init::run(&init, &output),
        CliCommand::Schema(schema) => commands::schema::run(&schema, &output),
        CliCommand::Generate(verb) => commands::generate::run(&verb, &output),
        CliCommand::Keys(keys) => commands::keys::run(&keys, &output),
        CliCommand::Accounts(accounts) => commands::accounts::run(&accounts, &output),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}
