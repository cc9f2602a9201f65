//! The servers that applications run on: Flask, nginx, Node's `http`, PHP and Tomcat, each with the same API
//! (`e2e/oracle/`), installed by `e2e/servers.sh`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value as Json;

use crate::installed::installed;

/// The timeout for a response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// All servers, running. They exit with this process, when their standard input closes.
pub struct Servers {
    _launcher: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

/// What a server did about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The operation that its router chose.
    pub operation: String,
    /// The values of the path parameters, if it reports them.
    pub values: Option<Vec<String>>,
}

impl Servers {
    /// Starts them once for the whole process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Servers> = LazyLock::new(Servers::start);
        &SHARED
    }

    fn start() -> Self {
        let root = installed("servers.sh");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/serve.py");
        let mut command = Command::new(root.join("python/bin/python"));
        command.arg(script).arg(&root).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut launcher = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let stdout = launcher.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it is a pipe");
        let ports: BTreeMap<String, u16> = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the servers do not start ({error}); see above"));
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let addresses = ports.into_iter().map(|(name, port)| (name, address(port))).collect();
        Self { _launcher: launcher, addresses }
    }

    /// The address of a server.
    pub fn address(&self, name: &str) -> SocketAddr {
        *self.addresses.get(name).unwrap_or_else(|| panic!("no server `{name}`"))
    }
}

/// Sends a target as it is and returns what ran: `None` where the server's router found nothing, or rejected the request.
pub fn run(server: SocketAddr, target: &[u8]) -> Option<Ran> {
    let mut stream = TcpStream::connect(server).unwrap_or_else(|error| panic!("{server}: {error}"));
    stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(target);
    request.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    // A server that rejects a request may close before all of it was sent.
    let _ = stream.write_all(&request);
    let mut response = Vec::new();
    if let Err(error) = stream.read_to_end(&mut response) {
        let is_reset = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(is_reset, "{server}: {error}: {}", String::from_utf8_lossy(target));
    }
    let text = String::from_utf8_lossy(&response);
    if !text.starts_with("HTTP/1.1 200") && !text.starts_with("HTTP/1.0 200") {
        return None;
    }
    // One JSON object, whatever the framing.
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    let body: Json =
        serde_json::from_str(text.get(from..=to)?).unwrap_or_else(|error| panic!("{error}: {text}"));
    let operation = body["ran"].as_str()?.to_owned();
    let values = body["values"].as_array();
    let values = values
        .map(|values| values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect());
    Some(Ran { operation, values })
}
