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
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Return freed pages to the system after 50 ms. By default jemalloc keeps them for ten seconds, which adds 40 MiB to the
/// memory that a burst of rejected bodies takes; requests in a row reuse them within that time all the same.
#[expect(unsafe_code, reason = "the symbol is where jemalloc looks for its options")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_OPTIONS: &[u8; 35] = b"dirty_decay_ms:50,muzzy_decay_ms:0\0";

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
