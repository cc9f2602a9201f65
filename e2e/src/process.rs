//! Starts our binaries as processes, waits for them and kills them.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The timeout to start, and to exit after SIGTERM.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A command for one of our binaries, without settings from the environment.
pub(crate) fn command(name: &str) -> Command {
    prepared(binary(name))
}

fn prepared(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("DEMUR_") {
            command.env_remove(variable);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Like [`command`], under these soft and hard limits on file descriptors.
pub(crate) fn limited(name: &str, soft: u64, hard: u64) -> Command {
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    through("sh", &script, name)
}

/// Like [`command`], in a session of its own: without a controlling terminal, as under a supervisor.
pub(crate) fn without_terminal(name: &str) -> Command {
    through("python3", "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])", name)
}

/// Like [`command`], started by a script, which becomes the program.
fn through(interpreter: &str, script: &str, name: &str) -> Command {
    let program = binary(name);
    let mut command = prepared(interpreter);
    command.arg("-c").arg(script).arg(program);
    command
}

/// Cargo puts tests into `deps`, a folder beside the binaries.
fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/PROFILE/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build -p demur-cli -p demur-examples`",
        path.display()
    );
    path
}

/// A running binary, killed on drop.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Log,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Keep reading after the receiver is gone, so that the pipe never fills.
                let _ = sender.send(line);
            }
        });
        Self { child, lines, log: Log::of(stderr) }
    }

    /// The next line on standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(TIMEOUT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("it says nothing; its log: {}", self.log.text()),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("it ended ({:?}); its log: {}", self.child.wait(), self.log.text())
            }
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no time to clean up.
    pub(crate) fn kill(&mut self) {
        // Fails only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(id) = Pid::from_raw(id)
        {
            kill_process(id, signal).expect("the process is there, and ours");
        }
    }

    /// Waits for the exit status. Panics on timeout.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(asked.elapsed() < TIMEOUT, "it does not end; its log: {}", self.log.text());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The standard error of a process, collected as it arrives.
pub(crate) struct Log {
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Log {
    fn of(stderr: impl Read + Send + 'static) -> Self {
        let lines = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let (lines, news) = &*kept;
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                news.notify_all();
            }
        });
        Self { lines }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for the first line that matches.
    pub(crate) fn line(&self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let (lines, news) = &*self.lines;
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let absent = |lines: &mut Vec<String>| !lines.iter().any(|line| fits(line));
        let (lines, _) =
            news.wait_timeout_while(lines, TIMEOUT, absent).unwrap_or_else(PoisonError::into_inner);
        lines.iter().find(|line| fits(line)).cloned()
    }
}
