//! `demur-example NAME`: serves one of the example services, to run it behind a gateway of your own.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use demur_examples::{Example, all};

/// Serve one of the example services
#[derive(Debug, Parser)]
#[command(name = "demur-example")]
struct Arguments {
    /// Name of the service
    #[arg(value_parser = PossibleValuesParser::new(all().iter().map(|example| example.name)))]
    name: String,
    /// Address to listen on; port 0 selects a free port
    #[arg(long, env = "DEMUR_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// The exit code if the address cannot be bound.
const CANNOT_BIND: u8 = 4;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(example) = all().iter().find(|example| example.name == arguments.name) else {
        // clap rejects every other name.
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

/// Serves until the process ends. Fails if the address cannot be bound.
fn serve(example: &Example, listen: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
        axum::serve(listener, (example.router)()).await
    })
}
