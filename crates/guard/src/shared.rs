//! What the guard tells the service behind hyper, and the other way round. Atomics, and a lock that is taken
//! only when something was wrong.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ParseError, RejectedRequest};

/// One connection's rejections, for the service that answers its requests. Clones are the same thing.
#[derive(Debug, Clone, Default)]
pub struct RejectionQueue(Arc<SharedRejections>);

/// Where a connection is between its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of a request has come since the last response was sent.
    Idle,
    /// A part of a head has come.
    Head,
    /// A request has come at least in part, and its response is not sent.
    Message,
}

#[derive(Debug)]
struct SharedRejections {
    /// A [`Phase`].
    phase: AtomicU8,
    asked: AtomicU64,
    /// The number of the request that is a stand-in. A connection has at most one: its last.
    rejected: AtomicU64,
    transparent: AtomicBool,
    rejection: Mutex<Option<RejectedRequest>>,
    content: Mutex<Option<ParseError>>,
}

const NONE: u64 = u64::MAX;

impl Default for SharedRejections {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            asked: AtomicU64::new(0),
            rejected: AtomicU64::new(NONE),
            transparent: AtomicBool::new(false),
            rejection: Mutex::new(None),
            content: Mutex::new(None),
        }
    }
}

impl RejectionQueue {
    /// Whether the request that the service was just called with is a stand-in for a refused one. To be asked
    /// exactly once per request, in order: the answers are counted.
    pub fn next(&self) -> Option<RejectedRequest> {
        let number = self.0.asked.fetch_add(1, Ordering::Relaxed);
        if self.0.rejected.load(Ordering::Acquire) != number {
            return None;
        }
        self.0.rejection.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why the content of the current request ended in an error, where its framing was to blame or the
    /// connection ended within it.
    pub fn content_fault(&self) -> Option<ParseError> {
        *self.0.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets bytes pass unexamined after the current request: to be called before a `101 Switching Protocols`
    /// or any other upgrade is answered, and only then.
    pub fn transparent(&self) {
        self.0.transparent.store(true, Ordering::Release);
    }

    /// Where the connection is. A connection that begins is idle.
    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Relaxed) {
            phase if phase == Phase::Idle as u8 => Phase::Idle,
            phase if phase == Phase::Head as u8 => Phase::Head,
            _ => Phase::Message,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn is_transparent(&self) -> bool {
        self.0.transparent.load(Ordering::Acquire)
    }

    pub(crate) fn reject(&self, number: u64, rejection: RejectedRequest) {
        *self.0.rejection.lock().unwrap_or_else(PoisonError::into_inner) = Some(rejection);
        self.0.rejected.store(number, Ordering::Release);
    }

    pub(crate) fn break_content(&self, fault: ParseError) {
        *self.0.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }
}
