//! Progress on standard error for commands that take long.
//!
//! Nothing is shown in the first two seconds, and nothing at all unless standard error is a terminal.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// How long a command may take without progress.
const DELAY: Duration = Duration::from_secs(2);
/// The time between two frames of a spinner.
const TICK: Duration = Duration::from_millis(100);

/// A progress bar or spinner, cleared on drop.
pub(crate) struct Progress {
    active: Option<Active>,
}

struct Active {
    bar: ProgressBar,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows nothing.
    pub(crate) fn none() -> Self {
        Self { active: None }
    }

    /// Progress of unknown length.
    pub(crate) fn spinner(output: &Output, message: &'static str) -> Self {
        Self::start(output, || spinner(message))
    }

    /// Progress over a known number of items.
    pub(crate) fn bar(output: &Output, message: &'static str, total: usize) -> Self {
        Self::start(output, || bar(message, total))
    }

    /// Sets the number of completed items.
    pub(crate) fn advance_to(&self, done: usize) {
        if let Some(active) = &self.active {
            active.bar.set_position(done as u64);
        }
    }

    fn start(output: &Output, bar: impl FnOnce() -> ProgressBar) -> Self {
        if !output.shows_progress() {
            return Self::none();
        }
        Self::after(DELAY, bar(), ProgressDrawTarget::stderr())
    }

    fn after(delay: Duration, bar: ProgressBar, target: ProgressDrawTarget) -> Self {
        let (stop, stopped) = mpsc::channel();
        let shown = bar.clone();
        let thread = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show_after(delay, &shown, target, &stopped))
            // Without a thread there is no progress, and the command works as well.
            .ok();
        Self { active: Some(Active { bar, stop: Some(stop), thread }) }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The thread has to end first: it must not draw below the output that follows.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

fn show_after(delay: Duration, bar: &ProgressBar, target: ProgressDrawTarget, stopped: &Receiver<()>) {
    if stopped.recv_timeout(delay) == Err(RecvTimeoutError::Timeout) {
        bar.set_draw_target(target);
        bar.tick();
        bar.enable_steady_tick(TICK);
    }
}

fn spinner(message: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    styled(bar, "{spinner} {msg} ({elapsed})", message)
}

fn bar(message: &'static str, total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
    styled(bar, "{msg} [{bar:40}] {pos}/{len} ({eta} left)", message)
}

fn styled(bar: ProgressBar, template: &str, message: &'static str) -> ProgressBar {
    // The templates are constants, and valid.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_message(message)
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, TermLike};

    use super::*;

    fn screen() -> (InMemoryTerm, ProgressDrawTarget) {
        let term = InMemoryTerm::new(5, 100);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        (term, target)
    }

    /// Waits until the screen shows something.
    fn shown(term: &InMemoryTerm) -> String {
        while term.contents().is_empty() {
            thread::yield_now();
        }
        term.contents()
    }

    #[test]
    fn nothing_is_drawn_before_the_delay() {
        let (term, target) = screen();
        let progress = Progress::after(Duration::from_secs(3600), bar("importing keys", 10), target);
        progress.advance_to(5);
        drop(progress);
        assert_eq!(term.moves_since_last_check(), "");
    }

    #[test]
    fn draws_after_the_delay_and_clears_on_drop() {
        for (bar, expected) in [
            (bar("importing keys", 10), "importing keys ["),
            (spinner("verifying the ledger"), "verifying the ledger"),
        ] {
            let (term, target) = screen();
            assert_eq!(term.width(), 100);
            let progress = Progress::after(Duration::ZERO, bar, target);
            assert!(shown(&term).contains(expected), "{}", term.contents());
            drop(progress);
            assert_eq!(term.contents(), "");
        }
    }

    #[test]
    fn a_bar_shows_its_position() {
        let (term, target) = screen();
        let progress = Progress::after(Duration::ZERO, bar("importing keys", 10), target);
        progress.advance_to(5);
        while !term.contents().contains("5/10") {
            thread::yield_now();
        }
        drop(progress);
    }
}
