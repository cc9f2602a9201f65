//! Cells for peer addresses, in a table of fixed size.
//!
//! Nobody can make it grow. An attacker with many addresses displaces entries, and so only makes the
//! displaced ones' counts begin anew; those that have used most stay longest.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use crate::atomic::{AtomicU64, Ordering};
use crate::{Gcra, Spacing};

const WAYS: usize = 4;

/// A table of cells.
#[derive(Debug)]
pub(crate) struct PeerCells {
    /// Keyed afresh in each process, so that nobody can choose addresses that share a slot.
    hasher: RandomState,
    slots: Box<[PeerSlot]>,
}

#[derive(Debug, Default)]
struct PeerSlot {
    owner: AtomicU64,
    cell: Gcra,
}

impl PeerCells {
    /// A table of so many cells, rounded up to a multiple of four.
    pub(crate) fn new(slots: usize) -> Self {
        let slots = slots.max(1).next_multiple_of(WAYS);
        Self {
            hasher: RandomState::new(),
            slots: std::iter::repeat_with(PeerSlot::default).take(slots).collect(),
        }
    }

    /// The cell of this address and whatever else is told apart, where there is one.
    pub(crate) fn find(&self, peer: IpAddr, apart: impl Hash) -> Option<&Gcra> {
        let (owner, set) = self.place(peer, apart);
        set.iter().find(|slot| slot.owner.load(Ordering::Relaxed) == owner).map(|slot| &slot.cell)
    }

    /// The cell of this address; one that was used least is given to it where it has none yet.
    pub(crate) fn claim(&self, peer: IpAddr, apart: impl Hash, spacing: Spacing, now: u64) -> &Gcra {
        let (owner, set) = self.place(peer, apart);
        let whole_in = |slot: &&PeerSlot| slot.cell.allowance(spacing, now).whole_in;
        let own = set.iter().find(|slot| slot.owner.load(Ordering::Relaxed) == owner);
        // Two peers that claim one at the same moment share it for a while, which costs nobody more than a
        // wait.
        let slot = own.or_else(|| set.iter().min_by_key(whole_in)).unwrap_or(&set[0]);
        if slot.owner.swap(owner, Ordering::Relaxed) != owner {
            slot.cell.clear();
        } else if slot.cell.is_of_another(spacing) {
            slot.cell.change(spacing, now);
        }
        &slot.cell
    }

    /// How many cells there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn place(&self, peer: IpAddr, apart: impl Hash) -> (u64, &[PeerSlot]) {
        let hash = self.hasher.hash_one((network(peer), apart));
        let set = usize::try_from(hash >> 32).unwrap_or_default() % (self.slots.len() / WAYS);
        // Zero marks a free slot.
        (hash | 1, &self.slots[set * WAYS..(set + 1) * WAYS])
    }
}

/// Who holds one IPv6 address holds the whole /64.
fn network(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}
