//! A throttle for failed authentications per client address, in a table of fixed size.
//!
//! It slows down guessing. It is no defence against floods: an attacker with many addresses evicts entries, which only
//! resets the counts of the evicted addresses.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::PeerCells;
use crate::{Denial, Now, Rate, Secret, Spacing};

const SLOTS: usize = 8192;

/// The kind of key in an attempt. The kinds are counted separately, so that random guesses do not block well-formed keys from
/// the same address (NAT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// A key with the right prefix, length and checksum.
    WellFormed,
    /// A token.
    Token,
    /// Anything else.
    Other,
}

impl Attempt {
    /// Returns the kind of this secret, for keys with this prefix.
    pub fn of(secret: &str, prefix: &str) -> Self {
        if Secret::check(secret, prefix).is_ok() { Self::WellFormed } else { Self::Other }
    }
}

/// Counts failed authentications per peer address.
#[derive(Debug)]
pub struct FailureThrottle {
    failures: NonZeroU32,
    per: Duration,
    spacing: Spacing,
    peers: Arc<PeerCells>,
}

impl FailureThrottle {
    /// Creates a throttle that allows this many failures per `per`, all of them at once if necessary.
    pub fn new(failures: NonZeroU32, per: Duration) -> Self {
        let spacing = Spacing::from(&Rate::new("failures", failures, per));
        Self { failures, per, spacing, peers: Arc::new(PeerCells::new(SLOTS)) }
    }

    /// Creates a throttle with other numbers that goes on with the counts of this one.
    pub fn with(&self, failures: NonZeroU32, per: Duration) -> Self {
        let spacing = Spacing::from(&Rate::new("failures", failures, per));
        Self { failures, per, spacing, peers: Arc::clone(&self.peers) }
    }

    /// Checks whether another attempt of this peer is allowed.
    pub fn check(&self, peer: IpAddr, attempt: Attempt, now: Now) -> Result<(), Denial> {
        let Some(failures) = self.peers.find(peer, attempt) else { return Ok(()) };
        failures.probe(self.spacing, 1, now.nanos()).map_err(|wait| Denial::CredentialThrottled {
            attempts: u64::from(self.failures.get()),
            per: self.per,
            retry_after: wait.unwrap_or_default(),
        })
    }

    /// Records a failed attempt of this peer.
    pub fn failed(&self, peer: IpAddr, attempt: Attempt, now: Now) {
        let _ = self.peers.claim(peer, attempt, self.spacing, now.nanos()).take(self.spacing, 1, now.nanos());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Attempt = Attempt::Other;

    fn at(seconds: u64) -> Now {
        Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
    }

    #[test]
    fn throttles_only_the_failing_peer() {
        let throttle = FailureThrottle::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(30));
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert_eq!(throttle.check(peer, OTHER, at(0)), Ok(()));
            throttle.failed(peer, OTHER, at(0));
        }
        let denial = Denial::CredentialThrottled {
            attempts: 3,
            per: Duration::from_secs(30),
            retry_after: Duration::from_secs(10),
        };
        assert_eq!(throttle.check(peer, OTHER, at(0)), Err(denial.clone()));
        assert_eq!(throttle.check("::ffff:192.0.2.1".parse().unwrap(), OTHER, at(0)), Err(denial));
        assert_eq!(throttle.check("192.0.2.2".parse().unwrap(), OTHER, at(0)), Ok(()));
        assert_eq!(throttle.check(peer, OTHER, at(10)), Ok(()));
    }

    #[test]
    fn random_guesses_do_not_throttle_well_formed_keys() {
        let throttle = FailureThrottle::new(NonZeroU32::MIN, Duration::from_secs(30));
        let peer = "192.0.2.1".parse().unwrap();
        throttle.failed(peer, OTHER, at(0));
        assert!(throttle.check(peer, OTHER, at(0)).is_err());
        assert_eq!(throttle.check(peer, Attempt::WellFormed, at(0)), Ok(()));
        throttle.failed(peer, Attempt::WellFormed, at(0));
        assert!(throttle.check(peer, Attempt::WellFormed, at(0)).is_err());
        let secret = Secret::generate("shop").unwrap();
        for (text, attempt) in [
            (secret.expose(), Attempt::WellFormed),
            (&secret.expose()[1..], OTHER),
            ("shop_", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(Attempt::of(text, "shop"), attempt);
        }
    }

    #[test]
    fn counts_an_ipv6_network_as_one_peer() {
        let throttle = FailureThrottle::new(NonZeroU32::MIN, Duration::from_secs(30));
        throttle.failed("2001:db8::1".parse().unwrap(), OTHER, at(0));
        assert!(throttle.check("2001:db8::2".parse().unwrap(), OTHER, at(0)).is_err());
        assert!(throttle.check("2001:db8:0:1::1".parse().unwrap(), OTHER, at(0)).is_ok());
    }

    #[test]
    fn a_flood_of_peers_does_not_grow_the_table() {
        let throttle = FailureThrottle::new(NonZeroU32::MIN, Duration::from_secs(30));
        for number in 0..100_000_u32 {
            throttle.failed(std::net::Ipv4Addr::from_bits(number).into(), OTHER, at(0));
        }
        assert_eq!(throttle.peers.len(), SLOTS);
    }
}
