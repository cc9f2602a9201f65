//! The command line as a user runs it: any arguments, in any folder, with nothing added.

use std::path::Path;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::process::{Process, command};

/// Runs `demur ARGUMENTS` in a folder to its end.
pub fn run(arguments: &[&str], folder: &Path) -> Outcome {
    let mut command = command("demur");
    command.args(arguments).current_dir(folder);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running `demur`, killed on drop.
pub struct Program {
    process: Process,
}

impl Program {
    /// Starts `demur ARGUMENTS` in a folder.
    pub fn start(arguments: &[&str], folder: &Path) -> Self {
        let mut command = command("demur");
        command.args(arguments).current_dir(folder);
        Self { process: Process::start(command) }
    }

    /// Waits for the next line on standard output.
    pub fn line(&mut self) -> String {
        self.process.line()
    }

    /// Its standard error so far.
    pub fn log(&self) -> String {
        self.process.log().text()
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("the process is there, and ours");
    }

    /// Waits until the process has exited.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.wait_for_exit()
    }
}
