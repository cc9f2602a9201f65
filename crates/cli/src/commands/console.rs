//! `demur console`: the console of a gateway, on this machine.

use std::io::{BufRead, IsTerminal};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Command, Reply};
use demur_console::{Console, Directory, MAX_FORM_BYTES};
use demur_gateway::{BoundService, Config, HttpService, Listener};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::json;

use crate::args::ConsoleArgs;
use crate::commands::{explain, send};
use crate::exit::{CommandFailure, Exit};
use crate::output::Output;
use crate::serving::{load_store, not_bound};

/// How long a login link can be used.
const LINK: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ConsoleArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let listen = args.listen;
    if !listen.ip().is_loopback() {
        let help =
            "listen on `127.0.0.1`, and reach it through SSH: `ssh -L 8091:127.0.0.1:8091 HOST`".to_owned();
        return Err(CommandFailure::usage(
            "the console has no TLS, and is served on this machine only",
            help,
        ));
    }
    let config = load_store(&args.config)?;
    // Fails early, and says how to get a journal.
    drop(explain::open(&config)?);
    let Some(journal) = config.journal.as_ref().map(|journal| journal.path.clone()) else {
        return Ok(Exit::Ok);
    };
    let bound = BoundService::bind(&Listener::new(listen)).map_err(not_bound)?;
    let unavailable = |error: std::io::Error| CommandFailure::unavailable(format!("{listen}: {error}"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
    let address = bound.listener().address;
    let console = Arc::new(Console::new(journal, Box::new(OfStore(Mutex::new(config))), hosts(address)));
    let link = || {
        let secret = console.login_secret(LINK)?;
        Some(format!("http://{address}/login#{secret}"))
    };
    let Some(first) = link() else {
        return Err(CommandFailure::unavailable("the operating system returned no randomness", None));
    };
    let service = ConsoleService(Arc::clone(&console));
    let _running = bound.serve("demur-console", Arc::new(service)).map_err(unavailable)?;
    let human = format!(
        "serving the console on http://{address}\nLog in, once, within a minute: {first}\nPress Enter for another link, \
         Ctrl-C to stop."
    );
    output.result(&human, &json!({ "console": format!("http://{address}"), "login": first }));
    further_links(Arc::clone(&console), address, output.clone());
    runtime.block_on(tokio::signal::ctrl_c()).map_err(unavailable)?;
    Ok(Exit::Ok)
}

/// The names of this machine by which a browser may ask for the console.
fn hosts(address: SocketAddr) -> Vec<String> {
    vec![address.to_string(), format!("localhost:{}", address.port())]
}

/// Prints another login link for each line that is entered.
fn further_links(console: Arc<Console>, address: SocketAddr, output: Output) {
    if !std::io::stdin().is_terminal() {
        return;
    }
    let lines = move || {
        for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Some(secret) = console.login_secret(LINK) {
                output.note(&format!("http://{address}/login#{secret}"));
            }
        }
    };
    // Without it there is only the first link.
    let _ = std::thread::Builder::new().name("demur-console-links".to_owned()).spawn(lines);
}

struct ConsoleService(Arc<Console>);

impl HttpService for ConsoleService {
    fn respond(&self, head: &Parts, body: &[u8]) -> Response<Bytes> {
        self.0.respond(head, body)
    }

    fn reject(&self, status: StatusCode) -> Response<Bytes> {
        self.0.reject(status)
    }

    fn max_body_bytes(&self) -> usize {
        MAX_FORM_BYTES
    }
}

/// The store of a configuration, by the gateway that owns it if one is running.
struct OfStore(Mutex<Config>);

impl Directory for OfStore {
    fn execute(&self, command: &Command) -> Result<Reply, String> {
        // One at a time: the pages of one person ask for little.
        let config = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        send(&config, command).map_err(|failure| failure.to_string())
    }
}
