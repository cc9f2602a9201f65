//! The binary `demur`.
//!
//! Data goes to standard output, messages to standard error. Exit codes: 0 success, 1 problems found, 2 usage error,
//! 3 invalid configuration, 4 a file, an address or the store is unavailable.

mod admin;
mod args;
mod commands;
mod demo;
mod effective;
mod exit;
mod from_openapi;
mod listeners;
mod log;
mod output;
mod pages;
mod preflight;
mod progress;
mod reload;
mod serving;
mod signals;
mod systemd;
mod watch;

use args::{Args, CliCommand};

/// A request makes many small allocations and frees them on the same thread. Of the allocators measured, jemalloc was
/// the fastest, and used the least memory per idle connection.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Return freed pages to the system after 50 ms. By default jemalloc keeps them for ten seconds, which adds 40 MiB to the
/// memory that a burst of rejected bodies takes; requests in a row reuse them within that time all the same.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "the symbol is where jemalloc looks for its options")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_OPTIONS: &[u8; 35] = b"dirty_decay_ms:50,muzzy_decay_ms:0\0";

fn main() -> std::process::ExitCode {
    let args = Args::from_process();
    let output = output::Output::new(args.format, args.color, args.quiet);
    for (old, new) in args.renamed() {
        output.warning(&format!("`{old}` is deprecated: use `{new}`"));
    }
    let done = match args.command {
        CliCommand::Demo(demo) => demo::run(&demo, &output),
        CliCommand::Serve(serve) => commands::serve::run(&serve, &output),
        CliCommand::Reload(store) => commands::reload::run(&store, &output),
        CliCommand::Check(check) => commands::check::run(&check, &output),
        CliCommand::Docs(docs) => commands::docs::run(&docs, &output),
        CliCommand::Openapi(openapi) => commands::openapi::run(&openapi, &output),
        CliCommand::Matrix(matrix) => commands::matrix::run(&matrix, &output),
        CliCommand::Mock(mock) => commands::mock::run(&mock, &output),
        CliCommand::Explain(explain) => commands::explain::run(&explain, &output),
        CliCommand::Console(console) => commands::console::run(&console, &output),
        CliCommand::Tail(tail) => commands::tail::run(&tail, &output),
        CliCommand::Init(init) => commands::init::run(&init, &output),
        CliCommand::Schema(schema) => commands::schema::run(&schema, &output),
        CliCommand::Generate(generate) => commands::generate::run(&generate, &output),
        CliCommand::Keys(keys) => commands::keys::run(&keys, &output),
        CliCommand::Apply(apply) => commands::apply::run(&apply, &output),
        CliCommand::Admin(admin) => commands::admin::run(&admin, &output),
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
