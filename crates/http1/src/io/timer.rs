//! A deadline that moves. The runtime's timer is touched only where it would fire too late: a deadline that moves away, as
//! that of a connection does with each request, costs a look at the clock.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One deadline at a time.
#[derive(Debug, Default)]
pub struct Timer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next poll sets a new deadline.
    pub fn clear(&mut self) {
        self.deadline = None;
    }

    /// Ready once `time` has passed since this was first polled after [`clear`](Self::clear).
    pub fn poll(&mut self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        match self.deadline {
            Some(deadline) => self.poll_until(cx, deadline),
            None => match Instant::now().checked_add(time) {
                Some(deadline) => self.poll_until(cx, deadline),
                // Beyond the end of time: never.
                None => Poll::Pending,
            },
        }
    }

    /// Ready at `deadline`, which becomes the timer's deadline.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.deadline = Some(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if sleep.deadline() >= deadline => return Poll::Ready(()),
                Poll::Ready(()) => sleep.as_mut().reset(deadline),
            }
        }
    }
}
