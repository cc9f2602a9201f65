//! The running gateway, and the example services that can be its upstreams.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value as Json;

use crate::process::{Process, command, limited, without_terminal};
use crate::{Client, NewKey, OWNED_BRAND, TestDir, contract};

/// The real binary, serving on a free port until dropped.
pub struct Gateway {
    process: Process,
    folder: TestDir,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    operations: Option<SocketAddr>,
    /// Secrets by API and label.
    keys: HashMap<(String, String), String>,
}

impl Gateway {
    /// `demur demo`: five services, and keys in every state.
    pub fn demo() -> Self {
        let folder = TestDir::empty();
        let mut command = command("demur");
        command.args(["demo", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.arg("--folder").arg(folder.path());
        Self::ready(Process::start(command), folder)
    }

    /// `demur serve` on a folder.
    pub fn serve(folder: TestDir) -> Self {
        let process = Self::start(&folder);
        Self::ready(process, folder)
    }

    /// `demur serve` with the configuration of the examples, and a key `active` for each API: of the account `acme` on the
    /// plan `pro`, or, for the API without a rate, of `acme-scores` on the plan `unmetered`.
    pub fn serve_with_keys(folder: TestDir) -> Self {
        let mut gateway = Self::serve(folder);
        gateway.folder.create_account("acme", "pro");
        gateway.folder.create_account("acme-scores", "unmetered");
        for example in demur_examples::all() {
            let api = example.name;
            // A rule of this API compares the brand with the key's list.
            let (account, resources): (_, &[&str]) = match api {
                "trakkr-get-scores" => ("acme-scores", &[OWNED_BRAND]),
                _ => ("acme", &[]),
            };
            let issued = gateway.folder.create_key(&NewKey { api, account, resources, ..NewKey::default() });
            gateway.keys.insert((api.to_owned(), "active".to_owned()), issued.secret);
        }
        gateway
    }

    /// `demur serve` under these soft and hard limits on file descriptors.
    pub fn serve_with_descriptors(folder: TestDir, soft: u64, hard: u64) -> Self {
        let process = Self::start_as(limited("demur", soft, hard), &folder);
        Self::ready(process, folder)
    }

    /// `demur serve` without a controlling terminal, as under a supervisor: SIGHUP reloads the configuration.
    pub fn serve_without_terminal(folder: TestDir, arguments: &[&str]) -> Self {
        let mut command = without_terminal("demur");
        command.args(["serve", "--listen", "127.0.0.1:0", "--format", "json"]).args(arguments);
        command.arg("--config").arg(folder.config());
        Self::ready(Process::start(command), folder)
    }

    fn start(folder: &TestDir) -> Process {
        Self::start_as(command("demur"), folder)
    }

    fn start_as(mut command: Command, folder: &TestDir) -> Process {
        command.args(["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.arg("--config").arg(folder.config());
        Process::start(command)
    }

    fn ready(mut process: Process, folder: TestDir) -> Self {
        let line = process.line();
        let ready: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let address_of = |name: &str| ready[name].as_str()?.split_once("://")?.1.parse().ok();
        let (address, operations) = (address_of("gateway"), address_of("operations"));
        let address = address.unwrap_or_else(|| panic!("no address: {line}"));
        let admin = address_of("admin");
        let mut keys = HashMap::new();
        for (api, listed) in ready["apis"].as_object().into_iter().flatten() {
            for (label, secret) in listed["keys"].as_object().into_iter().flatten() {
                keys.insert((api.clone(), label.clone()), secret.as_str().unwrap_or_default().to_owned());
            }
        }
        Self { process, folder, address, admin, operations, keys }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its admin API, which the configuration must have.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("the configuration has an admin API")
    }

    /// The metrics, of a gateway with an operations listener.
    pub fn metrics(&self) -> String {
        let address = self.operations.expect("an operations listener");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    }

    /// Its configuration, and the command line on that.
    pub fn folder(&self) -> &TestDir {
        &self.folder
    }

    /// A client for an example API, which is mounted under its name.
    pub fn client(&self, api: &str) -> Client {
        Client::new(self.address, &format!("/{api}"), contract(api))
    }

    /// A client for paths outside of every API: responses are in the default contract.
    pub fn client_of_no_api(&self) -> Client {
        Client::new(self.address, "", contract("problem"))
    }

    /// The secret of a sample key: of those of the demo, or of [`serve_with_keys`](Self::serve_with_keys).
    pub fn sample_key(&self, api: &str, label: &str) -> &str {
        let key = self.keys.get(&(api.to_owned(), label.to_owned()));
        key.unwrap_or_else(|| panic!("there is no sample key `{label}` for {api}"))
    }

    /// Waits for the log entry of the request with this ID.
    pub fn logged(&self, request_id: &str) -> Json {
        let line = self.process.log().line(|line| line.contains(request_id));
        let line = line.unwrap_or_else(|| panic!("nothing logged for {request_id}: {}", self.log()));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Waits until a log line contains this text.
    pub fn reveals(&self, text: &str) {
        let line = self.process.log().line(|line| line.contains(text));
        assert!(line.is_some(), "{text} was not told: {}", self.log());
    }

    /// Its standard error so far.
    pub fn log(&self) -> String {
        self.process.log().text()
    }

    /// The process ID.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it with SIGKILL. The folder stays as it is.
    pub fn kill(mut self) -> TestDir {
        self.process.kill();
        self.folder
    }

    /// Waits until as many log lines as this contain the text, and returns the last of them.
    pub fn logged_times(&self, text: &str, times: usize) -> Json {
        let begun = Instant::now();
        loop {
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(text)).collect();
            if let Some(line) = lines.get(times - 1) {
                return serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{text} was not logged: {log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal without waiting.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM without waiting.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until the process has exited.
    pub fn wait_for_exit(mut self) -> (ExitStatus, TestDir) {
        (self.process.wait_for_exit(), self.folder)
    }
}

/// One example service as its own process.
pub struct Example {
    _process: Process,
    address: SocketAddr,
}

impl Example {
    /// Starts it on a free port.
    pub fn start(name: &str) -> Self {
        let mut command = command("demur-example");
        command.args([name, "--listen", "127.0.0.1:0"]);
        let mut process = Process::start(command);
        let line = process.line();
        let address =
            line.strip_prefix("listening on http://").and_then(|address| address.trim().parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("no address: {line}")), _process: process }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
