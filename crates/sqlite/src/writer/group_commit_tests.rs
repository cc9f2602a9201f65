//! The group-commit loop in thousands of interleavings, by shuttle: no wake-up is lost, a committed hold is returned once, the
//! hold of a caller that has gone is released once, and a shutdown loses nothing.
//!
//! The writer of these tests is in memory and fails at random. The queue, the jobs, their replies and the loop are the real
//! ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use demur_admission::{AccountId, Balance, HoldId, HoldOutcome, MaybeFuture, Settlement, StoreError};
use jiff::Timestamp;
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::group_commit::{BatchWriter, Deferred, Queue};
use super::{HoldJob, Job};
use crate::reply::ReplySender;
use crate::sync::{self, between};

/// What is durable, and what the callers were returned.
#[derive(Debug, Default)]
struct Outcomes {
    held: BTreeSet<u64>,
    settled: BTreeMap<u64, Vec<Settlement>>,
    returned: Vec<u64>,
    /// How many callers got an error.
    failed: usize,
    may_fail: bool,
}

type Log = Arc<Mutex<Outcomes>>;

struct InMemory {
    log: Log,
    last: u64,
}

impl BatchWriter for InMemory {
    fn deferred(&mut self, _max: usize) -> Deferred {
        Deferred::default()
    }

    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        _deferred: &Deferred,
    ) -> Result<(), StoreError> {
        let (mut held, mut settled) = (Vec::new(), unsettled.to_vec());
        for job in batch {
            match job {
                Job::Hold(_, reply) => {
                    self.last += 1;
                    held.push(self.last);
                    reply.set(HoldOutcome::Held { hold: HoldId(self.last), balance: Balance::default() });
                }
                Job::Settle(hold, settlement, reply) => {
                    settled.push((*hold, *settlement));
                    reply.iter_mut().for_each(|reply| reply.set(()));
                }
                Job::Complete(..) | Job::Balance { .. } | Job::Command { .. } | Job::Close => {}
            }
        }
        // The disk is slow, and full at random.
        between();
        let mut log = self.log.lock().unwrap();
        if log.may_fail && thread_rng().gen_bool(0.25) {
            return Err(StoreError::Io("full".into()));
        }
        log.held.extend(held);
        for (hold, settlement) in settled {
            log.settled.entry(hold.0).or_default().push(settlement);
        }
        Ok(())
    }

    fn put_back(&mut self, _deferred: Deferred) {}

    fn idle(&mut self) {}
}

/// Requests a hold as the store does.
fn request_hold(queue: &Queue) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
    let release = queue.release_hook();
    let (reply, future) = ReplySender::claim_on_drop(move |found: HoldOutcome| {
        if let Some(hold) = found.hold() {
            release(hold);
        }
    });
    let account: AccountId = "acme".parse().unwrap();
    let (operation, at) = ("request".parse().unwrap(), Timestamp::UNIX_EPOCH);
    let (claim, amount, lease_ends, monthly) = (None, 1, at, None);
    let job = HoldJob { account, operation, claim, amount, lease_ends, monthly, at };
    queue.put(Job::Hold(Box::new(job), reply));
    future
}

fn settle(queue: &Queue, hold: HoldId, is_awaited: bool) -> Result<(), StoreError> {
    let settlement = Settlement::Post(1);
    if !is_awaited {
        queue.put(Job::Settle(hold, settlement, None));
        return Ok(());
    }
    let (reply, future) = ReplySender::new();
    queue.put(Job::Settle(hold, settlement, Some(reply)));
    wait(future)
}

fn wait<T>(future: MaybeFuture<T>) -> T {
    match future {
        MaybeFuture::Ready(ready) => ready,
        MaybeFuture::Pending(future) => block_on(future),
    }
}

/// Requests a hold and waits for it, polls it once, or drops it at once.
fn caller(queue: &Queue, log: &Log) {
    let choice = thread_rng().gen_range(0..3);
    let MaybeFuture::Pending(mut future) = request_hold(queue) else { unreachable!() };
    let found = match choice {
        0 => Some(block_on(future)),
        1 => match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        },
        _ => None,
    };
    match found {
        None => {}
        Some(Err(_)) => log.lock().unwrap().failed += 1,
        Some(Ok(outcome)) => {
            let hold = outcome.hold().unwrap();
            {
                let mut log = log.lock().unwrap();
                assert!(log.held.contains(&hold.0), "returned before the commit");
                log.returned.push(hold.0);
            }
            let is_awaited = thread_rng().gen_bool(0.5);
            let returned = settle(queue, hold, is_awaited);
            if is_awaited && returned.is_ok() {
                let is_there = log.lock().unwrap().settled.contains_key(&hold.0);
                assert!(is_there, "returned before the commit");
            }
        }
    }
}

struct CommitLoopUnderTest {
    queue: Queue,
    log: Log,
    writer: thread::JoinHandle<InMemory>,
    callers: Vec<thread::JoinHandle<()>>,
}

fn start(callers: usize) -> CommitLoopUnderTest {
    let log = Log::default();
    log.lock().unwrap().may_fail = true;
    let (queue, commit_loop) = Queue::new(InMemory { log: Arc::clone(&log), last: 0 });
    let writer = thread::spawn(move || commit_loop.run());
    let call = |_| {
        let (queue, log) = (queue.clone(), Arc::clone(&log));
        thread::spawn(move || caller(&queue, &log))
    };
    let callers = (0..callers).map(call).collect();
    CommitLoopUnderTest { queue, log, writer, callers }
}

/// Asserts that every hold was returned at most once, settled at most once, and released only if it was not returned.
fn check_outcomes(outcomes: &Outcomes) {
    let returned: BTreeSet<u64> = outcomes.returned.iter().copied().collect();
    assert_eq!(returned.len(), outcomes.returned.len(), "returned twice: {outcomes:?}");
    assert!(outcomes.settled.keys().all(|hold| outcomes.held.contains(hold)), "{outcomes:?}");
    for (hold, how) in &outcomes.settled {
        let expected = if returned.contains(hold) { Settlement::Post(1) } else { Settlement::Release };
        assert_eq!(how[..], [expected], "hold {hold}: {outcomes:?}");
    }
}

#[test]
fn every_hold_is_returned_once_or_released_once() {
    sync::check(|| {
        let CommitLoopUnderTest { queue, log, writer, callers } = start(3);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        log.lock().unwrap().may_fail = false;
        queue.put(Job::Close);
        writer.join().unwrap();
        let outcomes = log.lock().unwrap();
        check_outcomes(&outcomes);
        assert_eq!(outcomes.settled.len(), outcomes.held.len(), "a hold is still open: {outcomes:?}");
        assert_eq!(queue.waiting(), 0, "finished jobs count as waiting");
    });
}

/// A late caller gets an error. Open holds count as spent at the next start.
#[test]
fn a_shutdown_under_load_leaves_no_caller_waiting() {
    sync::check(|| {
        let CommitLoopUnderTest { queue, log, writer, callers } = start(3);
        queue.put(Job::Close);
        writer.join().unwrap();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        check_outcomes(&log.lock().unwrap());
        assert_eq!(wait(request_hold(&queue)), Err(StoreError::Closed));
    });
}
