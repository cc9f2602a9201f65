//! The connections that the control socket serves at once, and which one is closed when there are too many.
//!
//! A caller that connects and sends nothing must not keep an operator from revoking a key: at the limit, the connection
//! that has waited longest for its command is closed for the new one. A connection whose command is executing is never
//! closed.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The maximum number of connections at once.
pub(crate) const MAX_SESSIONS: usize = 32;

/// How long a new connection waits for a slot when all others are executing commands.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The connections that are served.
#[derive(Debug, Default)]
pub(crate) struct SessionTable {
    sessions: Mutex<Vec<Arc<Session>>>,
    slot_freed: Condvar,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: UnixStream,
    /// Since when the connection has been idle; `None` while a command executes.
    idle_since: Mutex<Option<Instant>>,
}

/// A slot in the table, released on drop, also where the thread that serves the connection panics.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    session: Arc<Session>,
    table: Arc<SessionTable>,
}

impl SessionTable {
    /// Returns a slot for a new connection, or `None` if all others keep executing commands until the timeout.
    pub(crate) fn admit(self: &Arc<Self>, stream: UnixStream) -> Option<SessionSlot> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + TIMEOUT;
        while sessions.len() >= MAX_SESSIONS {
            if let Some(idle) = longest_idle(&sessions) {
                let idle = sessions.swap_remove(idle);
                // Its thread wakes from reading or writing, and ends.
                let _ = idle.stream.shutdown(Shutdown::Both);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            sessions = self.slot_freed.wait_timeout(sessions, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let session = Arc::new(Session { stream, idle_since: Mutex::new(Some(Instant::now())) });
        sessions.push(Arc::clone(&session));
        Some(SessionSlot { session, table: Arc::clone(self) })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }
}

fn longest_idle(sessions: &[Arc<Session>]) -> Option<usize> {
    let idle_since = |session: &Session| *session.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = sessions.iter().enumerate().filter_map(|(index, session)| Some((idle_since(session)?, index)));
    idle.min().map(|(_, index)| index)
}

impl SessionSlot {
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.session.stream
    }

    /// Runs a command; the connection is not closed for another one meanwhile.
    pub(crate) fn while_busy<T>(&self, command: impl FnOnce() -> T) -> T {
        self.set_idle_since(None);
        let result = command();
        self.set_idle_since(Some(Instant::now()));
        // The connection may be closed again for one that waits for a slot.
        self.table.slot_freed.notify_one();
        result
    }

    fn set_idle_since(&self, since: Option<Instant>) {
        *self.session.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        let mut sessions = self.table.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // A session that was closed for another one is no longer in the table.
        sessions.retain(|other| !Arc::ptr_eq(other, &self.session));
        drop(sessions);
        self.table.slot_freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn closes_the_longest_idle_connection_at_the_limit() {
        let table = Arc::new(SessionTable::default());
        let mut ends = Vec::new();
        let mut slots: Vec<SessionSlot> = (0..MAX_SESSIONS)
            .map(|_| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ends.push(theirs);
                table.admit(ours).unwrap()
            })
            .collect();
        // The first executes a command, so the second has been idle longest.
        slots[0].set_idle_since(None);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let new = table.admit(ours).unwrap();
        assert_eq!(table.len(), MAX_SESSIONS);
        assert_eq!(ends[1].read(&mut [0]).unwrap(), 0, "closed");
        ends[0].set_nonblocking(true).unwrap();
        assert!(ends[0].read(&mut [0]).is_err(), "still open");
        // Dropping the closed session frees no second slot.
        drop(slots.remove(1));
        assert_eq!(table.len(), MAX_SESSIONS);
        drop((new, slots));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn releases_the_slot_on_panic() {
        let table = Arc::new(SessionTable::default());
        for _ in 0..2 * MAX_SESSIONS {
            let slot = table.admit(UnixStream::pair().unwrap().0).unwrap();
            let thread = std::thread::spawn(move || slot.while_busy(|| panic!("as a bug would")));
            assert!(thread.join().is_err());
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn waits_for_a_slot_while_commands_execute() {
        let table = Arc::new(SessionTable::default());
        let admit = |_| table.admit(UnixStream::pair().unwrap().0).unwrap();
        let slots: Vec<SessionSlot> = (0..MAX_SESSIONS).map(admit).collect();
        slots.iter().for_each(|slot| slot.set_idle_since(None));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| table.admit(UnixStream::pair().unwrap().0).is_some());
            slots[3].while_busy(|| ());
            assert!(waiting.join().unwrap());
        });
    }
}
