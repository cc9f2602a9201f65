//! Signals of a process that serves.
//!
//! SIGINT and SIGTERM end it in an orderly way. SIGHUP reloads the configuration; in a process with a controlling terminal,
//! or one that reloads nothing, it ends the process, since it comes when the terminal is closed. A process that was started
//! with SIGHUP ignored (`nohup`) goes on ignoring it. SIGUSR1 reopens log files. SIGUSR2, which other servers take for
//! upgrades, is logged and has no effect. SIGXFSZ is handled so that it does not kill the process: a store that cannot grow
//! is reported like a full disk.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::CommandFailure;

/// A file exceeds `ulimit -f`. Number as on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// SIGUSR1 and SIGUSR2, which never end the process. Handled from construction on, while the configuration is loaded too.
pub(crate) struct Ignored {
    runtime: Runtime,
    first: Signal,
    second: Signal,
    _too_large: Signal,
}

/// All signals that a serving process handles.
pub(crate) struct Signals {
    ignored: Ignored,
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the process was started with it ignored.
    hang_up: Option<Signal>,
    has_terminal: bool,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalEvent {
    /// To end in order.
    End,
    /// SIGHUP without a terminal: to reload the configuration, and to reopen log files.
    Reload,
    /// SIGUSR1: to reopen log files.
    ReopenLogs,
}

impl Ignored {
    pub(crate) fn listen() -> Result<Self, CommandFailure> {
        Self::try_listen().map_err(failure)
    }

    fn try_listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (first, second, _too_large) = {
            let _inside = runtime.enter();
            let too_large = SignalKind::from_raw(SIGXFSZ);
            (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?, signal(too_large)?)
        };
        Ok(Self { runtime, first, second, _too_large })
    }

    /// Handles the signals that end the process too: from now on they are kept until [`Signals::wait`].
    pub(crate) fn and_end(self) -> Result<Signals, CommandFailure> {
        let (interrupt, terminate, hang_up) = {
            let _inside = self.runtime.enter();
            let hang_up = (!is_hang_up_ignored()).then(|| signal(SignalKind::hangup())).transpose();
            (
                signal(SignalKind::interrupt()).map_err(failure)?,
                signal(SignalKind::terminate()).map_err(failure)?,
                hang_up.map_err(failure)?,
            )
        };
        Ok(Signals { ignored: self, interrupt, terminate, hang_up, has_terminal: has_terminal() })
    }
}

impl Signals {
    /// Waits for a signal that asks for something.
    pub(crate) fn wait(&mut self) -> SignalEvent {
        let Signals { ignored, interrupt, terminate, hang_up, has_terminal } = self;
        let Ignored { runtime, first, second, .. } = ignored;
        runtime.block_on(async {
            loop {
                let hung_up = async {
                    match hang_up {
                        Some(hang_up) => hang_up.recv().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = interrupt.recv() => return SignalEvent::End,
                    _ = terminate.recv() => return SignalEvent::End,
                    _ = hung_up => {
                        return if *has_terminal { SignalEvent::End } else { SignalEvent::Reload };
                    }
                    _ = first.recv() => return SignalEvent::ReopenLogs,
                    _ = second.recv() => tracing::info!(signal = "SIGUSR2", "signal ignored"),
                }
            }
        })
    }
}

impl Signals {
    /// Waits for a time, or for a signal that ends the process.
    pub(crate) fn wait_for_end(&mut self, time: Duration) {
        let Signals { ignored, interrupt, terminate, .. } = self;
        ignored.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
    }
}

fn failure(error: std::io::Error) -> CommandFailure {
    CommandFailure::unavailable(format!("cannot listen for signals: {error}"), None)
}

/// Whether the process has a controlling terminal. Asked at the start: when the terminal is closed, it is too late.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the process was started with SIGHUP ignored, as `nohup` does. Known on Linux only.
fn is_hang_up_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

/// SIGHUP is signal 1, the lowest bit of the mask.
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mask_of_ignored_signals() {
        for (status, is_ignored) in [
            ("Name:\tdemur\nSigIgn:\t0000000000001000\n", false),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigBlk:\t0000000000000001\n", false),
            ("SigIgn:\tx\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hang_up(status), is_ignored, "{status}");
        }
    }
}
