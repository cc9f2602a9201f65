//! `demur-example NAME`: serves one of the examples alone, for whoever wants to put a gateway of their own
//! in front of it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use demur_examples::{Example, all};

/// Serves one of the example services.
#[derive(Debug, Parser)]
#[command(name = "demur-example")]
struct Arguments {
    /// Which of them.
    #[arg(value_parser = PossibleValuesParser::new(all().iter().map(|example| example.name)))]
    name: String,
    /// Where to listen; port 0 takes any that is free.
    #[arg(long, env = "DEMUR_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Nothing could be bound.
const CANNOT_BIND: u8 = 4;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(example) = all().iter().find(|example| example.name == arguments.name) else {
        // clap has refused every other name already.
        return ExitCode::from(2);
    };
    match serve(example, arguments.listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "demur-example: {}: {error}", arguments.listen);
            ExitCode::from(CANNOT_BIND)
        }
    }
}

/// Serves until the process is ended. The error is that of binding the address.
fn serve(example: &Example, listen: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
        axum::serve(listener, (example.router)()).await
    })
}
