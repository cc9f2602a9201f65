//! Failed authentications per peer address, in a table of fixed size.
//!
//! It keeps guessing slow. It is no defence against floods: an attacker with many addresses displaces
//! entries, and then only loses what had been counted for the displaced ones.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Denial, Gcra, Now, Rate, Spacing};

const SLOTS: usize = 8192;
const WAYS: usize = 4;

/// Counts failed authentications per peer address.
#[derive(Debug)]
pub struct FailureThrottle {
    spacing: Spacing,
    /// Keyed afresh in each process, so that nobody can choose addresses that share a slot.
    hasher: RandomState,
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    peer: AtomicU64,
    failures: Gcra,
}

impl FailureThrottle {
    /// Lets `failures` fail per `per`, so many of them at once.
    pub fn new(failures: NonZeroU32, per: Duration) -> Self {
        let rate = Rate { name: "failures".into(), requests: failures, per, burst: failures };
        let slots = std::iter::repeat_with(Slot::default).take(SLOTS).collect();
        Self { spacing: Spacing::from(&rate), hasher: RandomState::new(), slots }
    }

    /// Whether another attempt of this peer is looked at.
    pub fn check(&self, peer: IpAddr, now: Now) -> Result<(), Denial> {
        let (tag, set) = self.place(peer);
        let Some(slot) = set.iter().find(|slot| slot.peer.load(Ordering::Relaxed) == tag) else {
            return Ok(());
        };
        slot.failures
            .probe(self.spacing, 1, now.nanos())
            .map_err(|wait| Denial::CredentialThrottled { retry_after: wait.unwrap_or_default() })
    }

    /// An attempt of this peer failed.
    pub fn failed(&self, peer: IpAddr, now: Now) {
        let (tag, set) = self.place(peer);
        let whole_in = |slot: &&Slot| slot.failures.allowance(self.spacing, now.nanos()).whole_in;
        let own = set.iter().find(|slot| slot.peer.load(Ordering::Relaxed) == tag);
        // Who has failed least loses the slot. Two peers that claim one at the same moment share it for a
        // while, which costs nobody more than a wait.
        let Some(slot) = own.or_else(|| set.iter().min_by_key(whole_in)) else { return };
        if slot.peer.swap(tag, Ordering::Relaxed) != tag {
            slot.failures.clear();
        }
        let _ = slot.failures.take(self.spacing, 1, now.nanos());
    }

    fn place(&self, peer: IpAddr) -> (u64, &[Slot]) {
        let hash = self.hasher.hash_one(network(peer));
        let set = usize::try_from(hash >> 32).unwrap_or_default() % (SLOTS / WAYS);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_peer_that_keeps_failing_waits_and_others_do_not() {
        let throttle = FailureThrottle::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(30));
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert_eq!(throttle.check(peer, at(0)), Ok(()));
            throttle.failed(peer, at(0));
        }
        let denial = Denial::CredentialThrottled { retry_after: Duration::from_secs(10) };
        assert_eq!(throttle.check(peer, at(0)), Err(denial.clone()));
        assert_eq!(throttle.check("::ffff:192.0.2.1".parse().unwrap(), at(0)), Err(denial));
        assert_eq!(throttle.check("192.0.2.2".parse().unwrap(), at(0)), Ok(()));
        assert_eq!(throttle.check(peer, at(10)), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let throttle = FailureThrottle::new(NonZeroU32::MIN, Duration::from_secs(30));
        throttle.failed("2001:db8::1".parse().unwrap(), at(0));
        assert!(throttle.check("2001:db8::2".parse().unwrap(), at(0)).is_err());
        assert!(throttle.check("2001:db8:0:1::1".parse().unwrap(), at(0)).is_ok());
    }

    #[test]
    fn a_flood_of_peers_stays_within_the_table() {
        let throttle = FailureThrottle::new(NonZeroU32::MIN, Duration::from_secs(30));
        for number in 0..100_000_u32 {
            throttle.failed(std::net::Ipv4Addr::from_bits(number).into(), at(0));
        }
        assert_eq!(throttle.slots.len(), SLOTS);
    }
}
