//! The parsers as processes that read one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use demur_e2e::{Received, Response, installed};
use serde_json::{Value as Json, json};

use crate::reading::Reading;

/// All parsers, stopped on drop.
pub(crate) struct Parsers {
    werkzeug: Lines,
    node: Lines,
    tomcat: Lines,
    php: Php,
}

impl Parsers {
    pub(crate) fn start() -> Self {
        let folder = installed("oracle/bodies/install.sh");
        let classpath = std::fs::read_to_string(folder.join("classpath")).expect("Tomcat is installed");
        Self {
            werkzeug: Lines::start(&folder, "python/bin/python", &["read.py"]),
            node: Lines::start(&folder, "bin/node", &["read.mjs"]),
            tomcat: Lines::start(&folder, "bin/java", &["-cp", &classpath, "Read"]),
            php: Php::start(&folder),
        }
    }

    /// What each parser reads; `Err` if it rejects the request.
    pub(crate) fn read(&mut self, request: &Received) -> Vec<(&'static str, Result<Reading, String>)> {
        let content_type = request.headers.first("content-type").unwrap_or_default();
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let asked = json!({ "type": content_type, "query": query, "body": text(&request.body) }).to_string();
        let node = self.node.ask(&asked);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let asked_tomcat =
            [hex(content_type.as_bytes()), hex(query.as_bytes()), hex(&request.body)].join("\n");
        [
            ("werkzeug", self.werkzeug.ask(&asked)),
            ("busboy", node["busboy"].clone()),
            ("qs", node["qs"].clone()),
            ("tomcat", self.tomcat.ask(&asked_tomcat)),
            ("php", self.php.ask(content_type, query, &request.body)),
        ]
        .map(|(parser, response)| (parser, Reading::of(&response)))
        .into()
    }
}

/// A process that responds to each request with a line.
struct Lines {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Lines {
    fn start(folder: &Path, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(folder.join(program));
        command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, request: &str) -> Json {
        writeln!(self.stdin, "{request}").and_then(|()| self.stdin.flush()).expect("the parser runs");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the parser runs");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} for {request}"))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Fails only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PHP's own server, which reads requests as PHP does behind any other.
struct Php {
    child: Child,
    address: SocketAddr,
}

impl Php {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(folder.join("bin/php"));
        // PHP's defaults, without the machine's configuration.
        command.args(["-n", "-d", "display_errors=0", "-S", "127.0.0.1:0", "-t"]).arg(folder.join("www"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        log.read_line(&mut line).expect("PHP runs");
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("PHP does not start: {line}"));
        // Keep reading, so that the pipe never fills.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    fn ask(&self, content_type: &str, query: &str, body: &[u8]) -> Json {
        let mut stream = TcpStream::connect(self.address).expect("PHP listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let target = if query.is_empty() { "/index.php".to_owned() } else { format!("/index.php?{query}") };
        let length = body.len();
        let mut request = format!("POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        if !content_type.is_empty() {
            request.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        request.push_str(&format!("Content-Length: {length}\r\n\r\n"));
        stream.write_all(&[request.as_bytes(), body].concat()).expect("PHP reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("PHP answers");
        let response = Response::read(&bytes, "POST").unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        match response.status {
            200 => response.json(),
            status => json!({ "error": format!("{status} {}", response.text()) }),
        }
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // Fails only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
