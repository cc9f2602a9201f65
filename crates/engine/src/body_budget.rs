//! The memory budget for buffered bodies: one per engine, shared by all of its requests and responses.
//!
//! Memory is reserved before a body is buffered, by the capacity of its buffer, and released when the last reference to the
//! bytes is dropped. Two rules divide the budget:
//!
//! - Requests without an API key may use half of it, so that they cannot starve requests with one.
//! - A client may hold no more than what is free in its part (dynamic thresholds: Choudhury and Hahn, *Dynamic
//!   queue length thresholds for shared-memory packet switches*, 1998). One client alone gets half of the part, two get
//!   a third each, and so on; there is always some left for a client that holds nothing yet.
//!
//! A client is an IPv4 address or an IPv6 /64 network. Requests with and without a key from one address are counted
//! separately: other clients behind the same NAT cannot take the share of one with a key unless they have a key too.
//!
//! Requests without a body do not use the budget. The lock is sharded by client.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The default budget, in bytes.
pub const DEFAULT_BODY_MEMORY: usize = 256 * 1024 * 1024;

/// While nothing else is buffered, a body of up to one `LARGEST_BODY_PART`th of the budget can always be buffered.
pub const LARGEST_BODY_PART: u64 = 4;

/// What a body takes while it is read beside its own buffer: the connection's read buffer, which a chunk can keep alive.
pub(crate) const OVERHEAD: usize = 8 * 1024;

const LEAST_CAPACITY: usize = 4 * 1024;
const SHARDS: usize = 16;

/// Memory for buffered bodies.
pub(crate) struct BodyBudget {
    limit: AtomicUsize,
    used: AtomicUsize,
    /// How much of that is used by requests without a key.
    used_without_key: AtomicUsize,
    /// What each client holds. Clients that hold nothing are not listed.
    clients: [Mutex<HashMap<BudgetClient, usize>>; SHARDS],
    hasher: RandomState,
}

/// The client whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BudgetClient {
    network: Option<IpAddr>,
    has_key: bool,
}

/// The budget, or the client's share of it, is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetExceeded;

/// A part of the budget. Released on drop.
#[derive(Debug)]
pub(crate) struct BodyReservation {
    budget: Arc<BodyBudget>,
    client: BudgetClient,
    bytes: usize,
}

/// A buffer that is reserved before it grows.
#[derive(Debug)]
pub(crate) struct BodyBuffer {
    bytes: Vec<u8>,
    reservation: BodyReservation,
    /// The expected maximum length. The capacity is not doubled beyond it.
    max: usize,
}

impl BodyBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
            used_without_key: AtomicUsize::new(0),
            clients: Default::default(),
            hasher: RandomState::new(),
        })
    }

    /// Changes the limit. What is reserved stays reserved.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The bytes that are used, and the limit.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.used.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed))
    }

    /// An empty reservation for a client.
    pub(crate) fn reservation(self: &Arc<Self>, client: BudgetClient) -> BodyReservation {
        BodyReservation { budget: Arc::clone(self), client, bytes: 0 }
    }

    fn reserve(&self, client: BudgetClient, bytes: usize) -> Result<(), BudgetExceeded> {
        let limit = self.limit.load(Ordering::Relaxed);
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let free = if client.has_key {
            limit.checked_sub(used)
        } else {
            let without_key = self.used_without_key.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            let within_all = limit.checked_sub(used);
            within_all.and_then(|free| Some(free.min((limit / 2).checked_sub(without_key)?)))
        };
        {
            let mut clients = self.shard(client).lock().unwrap_or_else(PoisonError::into_inner);
            let own = clients.get(&client).copied().unwrap_or(0).saturating_add(bytes);
            if free.is_some_and(|free| own <= free) {
                clients.insert(client, own);
                return Ok(());
            }
        }
        self.subtract(client, bytes);
        Err(BudgetExceeded)
    }

    fn release(&self, client: BudgetClient, bytes: usize) {
        let mut clients = self.shard(client).lock().unwrap_or_else(PoisonError::into_inner);
        match clients.get_mut(&client) {
            Some(own) if *own > bytes => *own -= bytes,
            _ => drop(clients.remove(&client)),
        }
        drop(clients);
        self.subtract(client, bytes);
    }

    fn subtract(&self, client: BudgetClient, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if !client.has_key {
            self.used_without_key.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn shard(&self, client: BudgetClient) -> &Mutex<HashMap<BudgetClient, usize>> {
        // Truncation is fine: only the remainder matters.
        let index = self.hasher.hash_one(client) as usize % SHARDS;
        &self.clients[index]
    }
}

impl fmt::Debug for BodyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyBudget")
            .field("limit", &self.limit)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl BudgetClient {
    /// The client at this address, if it is known.
    pub(crate) fn new(address: Option<IpAddr>, has_key: bool) -> Self {
        let network = address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        });
        Self { network, has_key }
    }
}

impl BodyReservation {
    /// Reserves more, or fails without a change.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes > 0 {
            self.budget.reserve(self.client, bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Ties the reservation to bytes, until the last reference to them is dropped.
    pub(crate) fn attach(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        Bytes::from_owner(ReservedBytes { bytes, _reservation: self })
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.client, self.bytes);
        }
    }
}

impl BodyBuffer {
    /// An empty buffer, for a body of at most `max` bytes.
    pub(crate) fn new(reservation: BodyReservation, max: u64) -> Self {
        Self { bytes: Vec::new(), reservation, max: usize::try_from(max).unwrap_or(usize::MAX) }
    }

    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), BudgetExceeded> {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        let needed = length.saturating_add(data.len());
        if needed > capacity {
            let doubled = capacity.saturating_mul(2).max(LEAST_CAPACITY).min(self.max);
            let grown = needed.max(doubled);
            self.reservation.grow(grown - capacity)?;
            self.bytes.reserve_exact(grown - length);
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, with the reservation tied to them.
    pub(crate) fn into_bytes(self) -> Bytes {
        let Self { bytes, reservation, .. } = self;
        if bytes.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(ReservedBytes { bytes, _reservation: reservation })
    }
}

/// Bytes and their reservation.
struct ReservedBytes<T> {
    bytes: T,
    _reservation: BodyReservation,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for ReservedBytes<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, has_key: bool) -> BudgetClient {
        BudgetClient::new(Some(address.parse().unwrap()), has_key)
    }

    /// Grows reservations by one byte in turn until none of them can.
    fn filled(budget: &Arc<BodyBudget>, clients: &[BudgetClient]) -> Vec<(usize, BodyReservation)> {
        let mut held: Vec<_> = clients.iter().map(|client| (0, budget.reservation(*client))).collect();
        while held.iter_mut().fold(false, |any, (bytes, reservation)| {
            let grown = reservation.grow(1).is_ok();
            *bytes += usize::from(grown);
            any | grown
        }) {}
        held
    }

    #[test]
    fn divides_the_budget_between_clients() {
        let shares = |addresses: &[(&str, bool)]| -> Vec<usize> {
            let budget = BodyBudget::new(1200);
            let clients: Vec<_> = addresses.iter().map(|(address, key)| client(address, *key)).collect();
            filled(&budget, &clients).iter().map(|(bytes, _)| *bytes).collect()
        };
        for (clients, expected) in [
            // Without a key, half of the budget is there: one client gets half of it, two a third each.
            (&[("192.0.2.1", false)][..], &[300][..]),
            (&[("192.0.2.1", false), ("192.0.2.2", false)], &[200, 200]),
            (&[("192.0.2.1", true)], &[600]),
            (&[("192.0.2.1", true), ("192.0.2.2", true)], &[400, 400]),
            // One network is one client, and so is an address in either spelling.
            (&[("2001:db8::1", false), ("2001:db8::2", false)], &[150, 150]),
            (&[("192.0.2.1", false), ("::ffff:192.0.2.1", false)], &[150, 150]),
        ] {
            assert_eq!(shares(clients), expected, "{clients:?}");
        }
    }

    #[test]
    fn requests_without_a_key_leave_half_of_the_budget_to_those_with_one() {
        let budget = BodyBudget::new(64_000);
        let addresses: Vec<_> = (1..=250).map(|last| client(&format!("192.0.2.{last}"), false)).collect();
        let without_key = filled(&budget, &addresses);
        let used: usize = without_key.iter().map(|(bytes, _)| bytes).sum();
        assert!((30_000..=32_000).contains(&used), "{used}");
        // The same address with a key is another client.
        let mut with_key = budget.reservation(client("192.0.2.1", true));
        assert_eq!(with_key.grow(16_000), Ok(()));
        // Those with a key may use what those without do not.
        drop((without_key, with_key));
        assert_eq!(budget.reservation(client("192.0.2.1", true)).grow(32_000), Ok(()));
        assert_eq!(budget.reservation(client("192.0.2.1", true)).grow(32_001), Err(BudgetExceeded));
    }

    #[test]
    fn releases_the_reservation_with_the_last_reference() {
        let budget = BodyBudget::new(1024 * 1024);
        let one = client("192.0.2.1", false);
        let mut buffer = BodyBuffer::new(budget.reservation(one), 10_000);
        for _ in 0..10 {
            buffer.push(&[0; 1000]).unwrap();
        }
        assert_eq!(buffer.bytes.capacity(), 10_000, "not doubled beyond what is expected");
        assert_eq!(budget.used.load(Ordering::Relaxed), 10_000);
        let bytes = buffer.into_bytes();
        let slice = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used.load(Ordering::Relaxed), 10_000);
        drop(slice);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        assert_eq!(budget.used_without_key.load(Ordering::Relaxed), 0);
        assert!(budget.clients.iter().all(|clients| clients.lock().unwrap().is_empty()));
        // What did not fit leaves nothing behind.
        let mut buffer = BodyBuffer::new(budget.reservation(one), 1024 * 1024);
        assert_eq!(buffer.push(&[0; 512 * 1024]), Err(BudgetExceeded));
        drop(buffer);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
