//! The hand-off with its threads meeting in thousands of orders, by shuttle: no wake-up is lost, what was committed is
//! told once, the hold of whoever has gone is released once, and a shutdown loses nothing.
//!
//! The writer of these tests keeps its ledger in memory, and fails now and then. It is the queue, the jobs, their waiters
//! and the loop of the writing thread that are tried, as they are.

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

/// What is durable, and what those who asked were told.
#[derive(Debug, Default)]
struct SeenOutcomes {
    held: BTreeSet<u64>,
    settled: BTreeMap<u64, Vec<Settlement>>,
    told: Vec<u64>,
    /// How many were told of trouble.
    failed: usize,
    may_fail: bool,
}

type Log = Arc<Mutex<SeenOutcomes>>;

struct InMemory {
    log: Log,
    last: u64,
}

impl BatchWriter for InMemory {
    fn deferred(&mut self, _most: usize) -> Deferred {
        Deferred::default()
    }

    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        _behind: &Deferred,
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
        // The disk takes its time, and is full now and then.
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

    fn put_back(&mut self, _behind: Deferred) {}

    fn idle(&mut self) {}
}

/// As the store does it.
fn ask(queue: &Queue) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
    let release = queue.release_hook();
    let (reply, answer) = ReplySender::claim_on_drop(move |found: HoldOutcome| {
        if let Some(hold) = found.hold() {
            release(hold);
        }
    });
    let account: AccountId = "acme".parse().unwrap();
    let (operation, at) = ("request".parse().unwrap(), Timestamp::UNIX_EPOCH);
    let (claim, amount, lease_ends, monthly) = (None, 1, at, None);
    let job = HoldJob { account, operation, claim, amount, lease_ends, monthly, at };
    queue.put(Job::Hold(Box::new(job), reply));
    answer
}

fn settle(queue: &Queue, hold: HoldId, is_awaited: bool) -> Result<(), StoreError> {
    let settlement = Settlement::Post(1);
    if !is_awaited {
        queue.put(Job::Settle(hold, settlement, None));
        return Ok(());
    }
    let (reply, answer) = ReplySender::new();
    queue.put(Job::Settle(hold, settlement, Some(reply)));
    wait(answer)
}

fn wait<T>(answer: MaybeFuture<T>) -> T {
    match answer {
        MaybeFuture::Ready(ready) => ready,
        MaybeFuture::Pending(asked) => block_on(asked),
    }
}

/// Asks for a hold and waits for it, or looks once and goes, or goes at once.
fn caller(queue: &Queue, log: &Log) {
    let way = thread_rng().gen_range(0..3);
    let MaybeFuture::Pending(mut asked) = ask(queue) else { unreachable!() };
    let found = match way {
        0 => Some(block_on(asked)),
        1 => match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
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
                assert!(log.held.contains(&hold.0), "told before it was committed");
                log.told.push(hold.0);
            }
            let is_awaited = thread_rng().gen_bool(0.5);
            let told = settle(queue, hold, is_awaited);
            if is_awaited && told.is_ok() {
                let is_there = log.lock().unwrap().settled.contains_key(&hold.0);
                assert!(is_there, "told before it was committed");
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

fn begin(callers: usize) -> CommitLoopUnderTest {
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

/// What must hold of every hold, however it went: told at most once, settled at most once, and released only where
/// nobody was told of it.
fn is_sound(seen: &SeenOutcomes) {
    let told: BTreeSet<u64> = seen.told.iter().copied().collect();
    assert_eq!(told.len(), seen.told.len(), "told twice: {seen:?}");
    assert!(seen.settled.keys().all(|hold| seen.held.contains(hold)), "{seen:?}");
    for (hold, how) in &seen.settled {
        let expected = if told.contains(hold) { Settlement::Post(1) } else { Settlement::Release };
        assert_eq!(how[..], [expected], "hold {hold}: {seen:?}");
    }
}

#[test]
fn every_hold_is_told_once_or_released_once_and_a_shutdown_loses_nothing() {
    sync::check(|| {
        let CommitLoopUnderTest { queue, log, writer, callers } = begin(3);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        log.lock().unwrap().may_fail = false;
        queue.put(Job::Close);
        writer.join().unwrap();
        let seen = log.lock().unwrap();
        is_sound(&seen);
        assert_eq!(seen.settled.len(), seen.held.len(), "something is open still: {seen:?}");
        assert_eq!(queue.waiting(), 0, "jobs are counted as waiting that are not");
    });
}

/// Whoever comes too late is told so. What is open then counts as spent at the next start.
#[test]
fn a_shutdown_in_full_flight_leaves_nobody_waiting() {
    sync::check(|| {
        let CommitLoopUnderTest { queue, log, writer, callers } = begin(3);
        queue.put(Job::Close);
        writer.join().unwrap();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        is_sound(&log.lock().unwrap());
        assert_eq!(wait(ask(&queue)), Err(StoreError::Closed));
    });
}
