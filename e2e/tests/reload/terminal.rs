//! SIGHUP with a controlling terminal: it was closed, and the process ends in order.

use std::process::Command;

use super::{folder, upstream};

/// Starts its arguments in a terminal, closes the terminal when the gateway is ready, and prints the exit code.
const SCRIPT: &str = "
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'serving' not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn closing_the_terminal_ends_the_gateway_in_order() {
    let upstream = upstream("first");
    let folder = folder(&upstream);
    let binary = std::env::current_exe().unwrap();
    let binary = binary.parent().unwrap().parent().unwrap().join("demur");
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(binary).args(["serve", "--listen", "127.0.0.1:0"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{output:?}");
    // The store was closed.
    assert!(!folder.path().join("demur.db.sock").exists());
}
