//! Under a supervisor such as systemd: sockets that it passes, and what it is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use demur_e2e::TestDir;

/// Opens a socket as systemd does, writes its address to the configuration, and prints it. Each line of standard input starts
/// the gateway on the socket once more, after the previous one has ended.
const SUPERVISOR: &str = r#"
import os, pathlib, signal, socket, sys

binary, file, listen = sys.argv[1:4]
opened = socket.socket()
opened.bind(("127.0.0.1", 0))
opened.listen(4096)
address = "%s:%d" % opened.getsockname()
path = pathlib.Path(file)
path.write_text(path.read_text().replace("LISTEN", listen or address))
print(address, flush=True)
child = None
for _ in sys.stdin:
    if child:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        os.dup2(opened.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(binary, [binary, "serve", "--config", file])
if child:
    # With another address it ends by itself.
    if not listen:
        os.kill(child, signal.SIGTERM)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

struct Supervisor {
    child: Child,
    printed: BufReader<ChildStdout>,
    /// Where the gateway says that it is ready.
    notices: UnixDatagram,
    address: SocketAddr,
    log: PathBuf,
    _folder: TestDir,
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("demur")
}

impl Supervisor {
    /// `listen` is the address in the configuration; empty for that of the socket.
    fn open(listen: &str) -> Self {
        let folder = TestDir::empty();
        folder.write("demur.yaml", "demur: 2\nlisten: LISTEN\nstore: sqlite:demur.db\nplans: {}\napis: []\n");
        let notices = folder.path().join("notices");
        let mut command = Command::new("python3");
        command.args(["-c", SUPERVISOR]).arg(binary()).arg(folder.path().join("demur.yaml")).arg(listen);
        command.env("NOTIFY_SOCKET", &notices).stdin(Stdio::piped()).stdout(Stdio::piped());
        let notices = receiver(&notices);
        // A pipe that nobody reads would stop the access log.
        let log = folder.path().join("log");
        let mut child = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        Self { child, printed, notices, address, log, _folder: folder }
    }

    /// Starts the gateway, again if it runs already.
    fn start(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn notice(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.notices.recv(&mut bytes).unwrap_or_default();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    }

    /// Ends the gateway and the supervisor. Returns the gateway's exit code, and what it has written.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        let mut output = String::new();
        self.printed.read_to_string(&mut output).unwrap();
        output.push_str(&fs::read_to_string(&self.log).unwrap());
        (self.child.wait().unwrap().code(), output)
    }
}

fn receiver(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

/// The status of a request on a connection of its own.
fn status(address: SocketAddr) -> Result<u16, String> {
    let fault = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(fault)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(fault)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").map_err(fault)?;
    let mut response = String::new();
    stream.read_to_string(&mut response).map_err(fault)?;
    response.get(9..12).and_then(|status| status.parse().ok()).ok_or(format!("no response: `{response}`"))
}

#[test]
fn restarts_on_the_sockets_of_a_supervisor_and_loses_no_connection() {
    let mut supervisor = Supervisor::open("");
    let (address, is_over) = (supervisor.address, AtomicBool::new(false));
    // It waits in the queue of the socket until there is a gateway.
    let first = thread::spawn(move || status(address));
    supervisor.start();
    assert_eq!(supervisor.notice(), "READY=1");
    assert_eq!(first.join().unwrap(), Ok(404));
    let answered = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut answered = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(status(address), Ok(404));
                answered += 1;
            }
            answered
        });
        let notices: Vec<String> = (0..3)
            .flat_map(|_| {
                supervisor.start();
                let notices = [supervisor.notice(), supervisor.notice()];
                thread::sleep(Duration::from_millis(50));
                notices
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(notices, ["STOPPING=1", "READY=1"].repeat(3));
        load.join().unwrap()
    });
    assert!(answered > 10, "{answered}");
    let (code, output) = supervisor.end();
    assert_eq!(code, Some(0), "{output}");
}

#[test]
fn socket_that_no_listener_uses_is_rejected() {
    let mut supervisor = Supervisor::open("127.0.0.1:0");
    let address = supervisor.address;
    supervisor.start();
    let (code, output) = supervisor.end();
    assert_ne!(code, Some(0));
    assert!(
        output.contains(&format!("the supervisor has opened {address}, which is not in `listen`")),
        "{output}"
    );
    assert!(output.contains("`ListenStream` of the socket unit"), "{output}");
}
