//! One deadline per connection. The runtime's timer is touched only when it would fire too late: a deadline
//! that moves away, as that of an idle connection does with each request, costs a look at the clock.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadPhase {
    /// The first byte of a head.
    Idle,
    /// The rest of a head.
    Head,
    /// The client, to take something of its answer.
    Write,
    /// The end of what the client still sends after the last answer.
    Linger,
}

#[derive(Debug, Default)]
pub(crate) struct Timer {
    deadline: Option<(ReadPhase, Instant)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Nothing is waited for.
    pub(crate) fn clear(&mut self) {
        self.deadline = None;
    }

    /// Ready once `timeout` has passed since this was first waited for.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, waiting: ReadPhase, timeout: Duration) -> Poll<()> {
        let deadline = match self.deadline {
            Some((same, deadline)) if same == waiting => deadline,
            _ => match Instant::now().checked_add(timeout) {
                Some(deadline) => deadline,
                // Beyond the end of time: never.
                None => return Poll::Pending,
            },
        };
        self.deadline = Some((waiting, deadline));
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
