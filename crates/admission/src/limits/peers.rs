//! Rate cells of peer addresses, in a table of fixed size.
//!
//! An attacker with many addresses can evict entries, which only resets the counts of the evicted addresses; the most used
//! entries stay longest.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use crate::atomic::{AtomicU64, Ordering};
use crate::{Gcra, Spacing};

const WAYS: usize = 4;

/// A table of cells.
#[derive(Debug)]
pub(crate) struct PeerCells {
    /// With a random key per process, so that nobody can choose addresses that share a slot.
    hasher: RandomState,
    slots: Box<[PeerSlot]>,
}

#[derive(Debug, Default)]
struct PeerSlot {
    owner: AtomicU64,
    cell: Gcra,
}

impl PeerCells {
    /// Creates a table of this many cells, rounded up to a multiple of four.
    pub(crate) fn new(slots: usize) -> Self {
        let slots = slots.max(1).next_multiple_of(WAYS);
        Self {
            hasher: RandomState::new(),
            slots: std::iter::repeat_with(PeerSlot::default).take(slots).collect(),
        }
    }

    /// Returns the cell of an address within a scope, if there is one.
    pub(crate) fn find(&self, peer: IpAddr, scope: impl Hash) -> Option<&Gcra> {
        let (owner, set) = self.slots_of(peer, scope);
        set.iter().find(|slot| slot.owner.load(Ordering::Relaxed) == owner).map(|slot| &slot.cell)
    }

    /// Returns the cell of an address within a scope. An address without a cell gets the least used one.
    pub(crate) fn claim(&self, peer: IpAddr, scope: impl Hash, spacing: Spacing, now: u64) -> &Gcra {
        let (owner, set) = self.slots_of(peer, scope);
        let full_in = |slot: &&PeerSlot| slot.cell.allowance(spacing, now).full_in;
        let own = set.iter().find(|slot| slot.owner.load(Ordering::Relaxed) == owner);
        // Two peers that claim a cell at the same time share it for a while, which costs them a wait at most.
        let slot = own.or_else(|| set.iter().min_by_key(full_in)).unwrap_or(&set[0]);
        if slot.owner.swap(owner, Ordering::Relaxed) != owner {
            slot.cell.clear();
        } else if slot.cell.has_other_rate(spacing) {
            slot.cell.change(spacing, now);
        }
        &slot.cell
    }

    /// Returns the number of cells.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn slots_of(&self, peer: IpAddr, scope: impl Hash) -> (u64, &[PeerSlot]) {
        let hash = self.hasher.hash_one((network(peer), scope));
        let set = usize::try_from(hash >> 32).unwrap_or_default() % (self.slots.len() / WAYS);
        // Zero marks a free slot.
        (hash | 1, &self.slots[set * WAYS..(set + 1) * WAYS])
    }
}

/// Returns the network of an address: the owner of one IPv6 address has the whole /64.
fn network(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}
