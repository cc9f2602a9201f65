//! The running gateway, and the example services that can stand behind it.

use std::net::SocketAddr;
use std::process::ExitStatus;

use serde_json::Value as Json;

use crate::process::{Process, command};
use crate::{Client, Folder, contract};

/// The real binary, serving on a port of its own until this is dropped.
pub struct Gateway {
    process: Process,
    folder: Folder,
    address: SocketAddr,
    /// What it said when it was ready.
    ready: Json,
}

impl Gateway {
    /// `demur demo`: five services, and keys in every state.
    pub fn demo() -> Self {
        let folder = Folder::empty();
        let mut command = command("demur");
        command.args(["demo", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.arg("--folder").arg(folder.path());
        Self::ready(Process::start(command), folder)
    }

    /// `demur serve` on a folder.
    pub fn serve(folder: Folder) -> Self {
        let process = Self::start(&folder);
        Self::ready(process, folder)
    }

    fn start(folder: &Folder) -> Process {
        let mut command = command("demur");
        command.args(["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.arg("--config").arg(folder.config());
        Process::start(command)
    }

    fn ready(mut process: Process, folder: Folder) -> Self {
        let line = process.line();
        let ready: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let url = ready["gateway"].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address: {line}"));
        Self { process, folder, address, ready }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its configuration, and the command line for it.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A client for one of the five, which are mounted under their names.
    pub fn client(&self, api: &str) -> Client {
        Client::new(self.address, &format!("/{api}"), contract(api))
    }

    /// A client for what belongs to no API: the listener's contract answers.
    pub fn client_of_no_api(&self) -> Client {
        Client::new(self.address, "", contract("problem"))
    }

    /// A sample key of the demo.
    pub fn sample_key(&self, api: &str, label: &str) -> &str {
        let key = self.ready["apis"][api]["keys"][label].as_str();
        key.unwrap_or_else(|| panic!("the demo has no key `{label}` for {api}"))
    }

    /// The line of the log that tells of the request with this id, waited for.
    pub fn logged(&self, request_id: &str) -> Json {
        let line = self.process.log().line(|line| line.contains(request_id));
        let line = line.unwrap_or_else(|| panic!("nothing logged for {request_id}: {}", self.log()));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// All that it has said on standard error so far.
    pub fn log(&self) -> String {
        self.process.log().text()
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it without any notice. The folder is as it was left.
    pub fn kill(mut self) -> Folder {
        self.process.kill();
        self.folder
    }

    /// Asks it to end, as a supervisor does, and goes on at once.
    pub fn ask_to_end(&self) {
        self.process.ask_to_end();
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> (ExitStatus, Folder) {
        (self.process.ended(), self.folder)
    }
}

/// One example service as a process of its own.
pub struct Example {
    _process: Process,
    address: SocketAddr,
}

impl Example {
    /// Starts it on a port of its own.
    pub fn start(name: &str) -> Self {
        let mut command = command("demur-example");
        command.args([name, "--listen", "127.0.0.1:0"]);
        let mut process = Process::start(command);
        let line = process.line();
        let address =
            line.strip_prefix("listening on http://").and_then(|address| address.trim().parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("no address: {line}")), _process: process }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
