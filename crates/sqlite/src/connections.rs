//! How many connections the control socket serves at once, and which one gives way when there are too many.
//!
//! A caller that connects and says nothing must not keep an operator from revoking a key: when the places are taken, the
//! connection that has waited longest for its command is closed for the new one. A connection whose command is being
//! carried out is never closed.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections at once.
pub(crate) const MAX_CONNECTIONS: usize = 32;

/// How long a new connection waits for a place where every other one is carrying out a command.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The connections that are served.
#[derive(Debug, Default)]
pub(crate) struct SessionTable {
    served: Mutex<Vec<Arc<Session>>>,
    left: Condvar,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: UnixStream,
    /// Since when it waits for a command; `None` while one is carried out.
    waiting: Mutex<Option<Instant>>,
}

/// A place among the connections, given back on drop, also where the thread that serves it panics.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    connection: Arc<Session>,
    connections: Arc<SessionTable>,
}

impl SessionTable {
    /// A place for a new connection. `None` only where all others are carrying out commands, and go on to.
    pub(crate) fn admit(self: &Arc<Self>, stream: UnixStream) -> Option<SessionSlot> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + TIMEOUT;
        while served.len() >= MAX_CONNECTIONS {
            if let Some(idle) = longest_waiting(&served) {
                let idle = served.swap_remove(idle);
                // Its thread wakes from reading or writing, and ends.
                let _ = idle.stream.shutdown(Shutdown::Both);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            served = self.left.wait_timeout(served, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let connection = Arc::new(Session { stream, waiting: Mutex::new(Some(Instant::now())) });
        served.push(Arc::clone(&connection));
        Some(SessionSlot { connection, connections: Arc::clone(self) })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.served.lock().unwrap().len()
    }
}

fn longest_waiting(served: &[Arc<Session>]) -> Option<usize> {
    let waiting = |connection: &Session| *connection.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = served.iter().enumerate().filter_map(|(index, served)| Some((waiting(served)?, index)));
    waiting.min().map(|(_, index)| index)
}

impl SessionSlot {
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.connection.stream
    }

    /// Carries out a command, during which the connection is not closed for another one.
    pub(crate) fn busy<T>(&self, act: impl FnOnce() -> T) -> T {
        self.set(None);
        let done = act();
        self.set(Some(Instant::now()));
        // Now it may give way to a connection that waits for a place.
        self.connections.left.notify_one();
        done
    }

    fn set(&self, waiting: Option<Instant>) {
        *self.connection.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        let mut served = self.connections.served.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was closed for another is not there any more.
        served.retain(|other| !Arc::ptr_eq(other, &self.connection));
        drop(served);
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_connection_that_waits_longest_gives_way() {
        let connections = Arc::new(SessionTable::default());
        let mut ends = Vec::new();
        let mut places: Vec<SessionSlot> = (0..MAX_CONNECTIONS)
            .map(|_| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ends.push(theirs);
                connections.admit(ours).unwrap()
            })
            .collect();
        // The first carries out a command, so the second is the one.
        places[0].set(None);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let new = connections.admit(ours).unwrap();
        assert_eq!(connections.len(), MAX_CONNECTIONS);
        assert_eq!(ends[1].read(&mut [0]).unwrap(), 0, "closed");
        ends[0].set_nonblocking(true).unwrap();
        assert!(ends[0].read(&mut [0]).is_err(), "open still");
        // What was closed gives back nothing that it does not have.
        drop(places.remove(1));
        assert_eq!(connections.len(), MAX_CONNECTIONS);
        drop((new, places));
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn a_panic_gives_the_place_back() {
        let connections = Arc::new(SessionTable::default());
        for _ in 0..2 * MAX_CONNECTIONS {
            let place = connections.admit(UnixStream::pair().unwrap().0).unwrap();
            let thread = std::thread::spawn(move || place.busy(|| panic!("as a bug would")));
            assert!(thread.join().is_err());
        }
        assert_eq!(connections.len(), 0);
    }

    #[test]
    fn commands_under_way_are_waited_for() {
        let connections = Arc::new(SessionTable::default());
        let place = |_| connections.admit(UnixStream::pair().unwrap().0).unwrap();
        let places: Vec<SessionSlot> = (0..MAX_CONNECTIONS).map(place).collect();
        places.iter().for_each(|place| place.set(None));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| connections.admit(UnixStream::pair().unwrap().0).is_some());
            places[3].busy(|| ());
            assert!(waits.join().unwrap());
        });
    }
}
