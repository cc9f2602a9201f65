//! The client connections of one worker, so that idle ones can be closed when file descriptors run short.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::descriptors::{Descriptor, Descriptors};

/// How long the next request of a connection counts as on its way.
const FRESH: Duration = Duration::from_secs(1);

/// The open connections, by number. The oldest has the lowest one.
#[derive(Clone)]
pub(crate) struct ConnectionTable {
    open: Rc<RefCell<OpenConnections>>,
    descriptors: Descriptors,
}

#[derive(Default)]
struct OpenConnections {
    next: u64,
    by_number: BTreeMap<u64, TableEntry>,
}

struct TableEntry {
    activity: Activity,
    task: AbortHandle,
}

/// What a connection does at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for a request.
    #[default]
    Idle,
    /// A part of a head has come.
    Head,
    /// A request is served.
    Message,
}

/// The activity of one connection.
#[derive(Clone, Default)]
pub(crate) struct Activity(Rc<ActivityState>);

#[derive(Default)]
pub(crate) struct ActivityState {
    pub(crate) phase: Cell<Phase>,
    /// When its last request came, or when it was accepted.
    pub(crate) last_used: Cell<Duration>,
    /// Whether a request has come on it.
    pub(crate) is_used: Cell<bool>,
    /// Wakes its task.
    pub(crate) waker: Cell<Option<Waker>>,
}

impl std::ops::Deref for Activity {
    type Target = ActivityState;

    fn deref(&self) -> &ActivityState {
        &self.0
    }
}

/// A connection that is listed until this is dropped. Owned by its task.
pub(crate) struct ListedConnection {
    connections: ConnectionTable,
    number: u64,
    _descriptor: Descriptor,
}

impl ConnectionTable {
    pub(crate) fn new(descriptors: Descriptors) -> Self {
        Self { open: Rc::default(), descriptors }
    }

    /// Reserves a number for a connection whose task is about to start.
    pub(crate) fn reserve(&self, descriptor: Descriptor) -> ListedConnection {
        let mut open = self.open.borrow_mut();
        open.next += 1;
        ListedConnection { connections: self.clone(), number: open.next, _descriptor: descriptor }
    }

    /// Lists a connection.
    pub(crate) fn list(&self, number: u64, activity: Activity, task: AbortHandle) {
        self.open.borrow_mut().by_number.insert(number, TableEntry { activity, task });
    }

    /// Wakes the tasks of all connections, so that they notice that the gateway shuts down.
    pub(crate) fn wake_all(&self) {
        let open = self.open.borrow();
        open.by_number.values().filter_map(|entry| entry.activity.waker.take()).for_each(Waker::wake);
    }

    /// Closes up to `count` connections without a request in progress, and returns how many were closed: first those that
    /// have been idle for longest, then those that have sent a part of a head or whose request may be on its way, again the
    /// oldest first.
    pub(crate) fn close_idle(&self, count: usize, now: Duration) -> usize {
        let mut open = self.open.borrow_mut();
        let candidates = open.by_number.iter().filter_map(|(number, TableEntry { activity, .. })| {
            let last_used = activity.last_used.get();
            let is_active = match activity.phase.get() {
                Phase::Idle => now.saturating_sub(last_used) < FRESH,
                Phase::Head => true,
                Phase::Message => return None,
            };
            Some((is_active, last_used, *number))
        });
        let mut candidates: Vec<_> = candidates.collect();
        if candidates.len() > count && count > 0 {
            candidates.select_nth_unstable(count - 1);
            candidates.truncate(count);
        }
        for (.., number) in candidates.iter().take(count) {
            if let Some(TableEntry { task, .. }) = open.by_number.remove(number) {
                // The task drops its socket before the worker waits for anything else.
                task.abort();
            }
        }
        let closed = candidates.len().min(count);
        self.descriptors.closing(closed);
        closed
    }
}

impl ListedConnection {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for ListedConnection {
    fn drop(&mut self) {
        let ConnectionTable { open, descriptors } = &self.connections;
        // The list is borrowed only while `close_idle` aborts the task.
        let listed = open.try_borrow_mut().ok().and_then(|mut open| open.by_number.remove(&self.number));
        if listed.is_none() {
            descriptors.closed();
        }
    }
}
