//! The shares of endpoints, without any connection.

#![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

use std::num::NonZeroU32;

use super::super::settings::Ejection;
use super::*;

fn upstream(weights: &[u32]) -> Upstream {
    let mut upstream: Upstream = "http://a:1".parse().unwrap();
    let endpoint = upstream.endpoints.remove(0);
    upstream.endpoints = weights
        .iter()
        .map(|weight| Endpoint { weight: NonZeroU32::new(*weight).unwrap(), ..endpoint.clone() })
        .collect();
    let (failures, time) = (NonZeroU32::new(3).unwrap(), Duration::from_secs(10));
    upstream.ejection = Some(Ejection { failures, time });
    upstream
}

fn fault() -> UpstreamFault {
    UpstreamFault::Unreachable("refused".to_owned())
}

/// How many of a thousand requests at once each endpoint gets.
fn spread(shared: &Arc<SharedUpstream>, now: Instant) -> Vec<usize> {
    let random = Random(Cell::new(7));
    let permits: Vec<_> = (0..1000).map(|_| shared.choose(&random, now, None).unwrap()).collect();
    (0..shared.endpoints.len())
        .map(|index| permits.iter().filter(|permit| permit.index == index).count())
        .collect()
}

fn near(counts: &[usize], expected: &[usize]) {
    for (count, expected) in counts.iter().zip(expected) {
        assert!(count.abs_diff(*expected) <= 60, "{counts:?} instead of {expected:?}");
    }
}

#[test]
fn requests_are_spread_by_weight() {
    let now = Instant::now();
    near(&spread(&SharedUpstream::new(upstream(&[1, 1])), now), &[500, 500]);
    near(&spread(&SharedUpstream::new(upstream(&[1, 3])), now), &[250, 750]);
    near(&spread(&SharedUpstream::new(upstream(&[1, 1, 2])), now), &[250, 250, 500]);
}

#[test]
fn an_endpoint_with_fewer_requests_gets_more() {
    let shared = SharedUpstream::new(upstream(&[1, 1]));
    let (random, now) = (Random(Cell::new(7)), Instant::now());
    // The first endpoint never responds; the second one at once.
    let mut stuck = Vec::new();
    for _ in 0..100 {
        let permit = shared.choose(&random, now, None).unwrap();
        if permit.index == 0 {
            stuck.push(permit);
        }
    }
    assert!(stuck.len() <= 1, "{} requests at the endpoint that never responds", stuck.len());
}

#[test]
fn an_endpoint_is_ejected_after_failures_in_a_row_and_proves_itself() {
    let shared = SharedUpstream::new(upstream(&[1, 1]));
    let (random, now) = (Random(Cell::new(7)), Instant::now());
    let after = |seconds| now + Duration::from_secs(seconds);
    let uses = |now| (0..50).any(|_| shared.choose(&random, now, None).unwrap().index == 0);
    shared.failed(0, now, &fault());
    shared.failed(0, now, &fault());
    shared.succeeded(0, now);
    shared.failed(0, now, &fault());
    shared.failed(0, now, &fault());
    assert!(uses(now), "no three in a row");
    shared.failed(0, now, &fault());
    assert!(!uses(now) && !uses(after(9)));
    // Then one request at a time.
    assert!(uses(after(11)));
    let probe = loop {
        let permit = shared.choose(&random, after(11), None).unwrap();
        if permit.index == 0 {
            break permit;
        }
    };
    assert!(!uses(after(11)), "one is on its way");
    // One failure is enough now, and the ejection lasts twice as long.
    shared.failed(0, after(11), &fault());
    drop(probe);
    assert!(!uses(after(30)) && uses(after(32)));
    shared.succeeded(0, after(32));
    let one = shared.choose(&random, after(32), Some(1)).unwrap();
    let two = shared.choose(&random, after(32), Some(1)).unwrap();
    assert_eq!((one.index, two.index), (0, 0), "more than one at a time");
}

#[test]
fn without_a_healthy_endpoint_there_is_none() {
    let shared = SharedUpstream::new(upstream(&[1, 1]));
    let (random, now) = (Random(Cell::new(7)), Instant::now());
    shared.set_down(0, true, "check failed");
    assert_eq!(shared.choose(&random, now, None).unwrap().index, 1);
    // A retry goes to the same one where there is no other.
    assert_eq!(shared.choose(&random, now, Some(1)).unwrap().index, 1);
    shared.set_down(1, true, "check failed");
    assert!(matches!(shared.choose(&random, now, None), Err(UpstreamFault::Unhealthy(_))));
    shared.set_down(0, false, "");
    assert_eq!(shared.choose(&random, now, None).unwrap().index, 0);
}

#[test]
fn a_recovered_endpoint_gets_its_share_slowly() {
    let mut settings = upstream(&[1, 1]);
    settings.slow_start = Some(Duration::from_secs(10));
    let shared = SharedUpstream::new(settings);
    let now = Instant::now();
    near(&spread(&shared, now), &[500, 500]);
    shared.set_down(0, true, "check failed");
    shared.set_down(0, false, "");
    near(&spread(&shared, Instant::now()), &[91, 909]);
    near(&spread(&shared, now + Duration::from_secs(5)), &[333, 667]);
    near(&spread(&shared, now + Duration::from_secs(20)), &[500, 500]);
}

#[test]
fn retries_have_a_budget() {
    let shared = SharedUpstream::new(upstream(&[1, 1]));
    let (random, now) = (Random(Cell::new(7)), Instant::now());
    let taken = (0..100).filter(|_| shared.takes_retry()).count();
    assert_eq!(taken, 20);
    for _ in 0..10 {
        drop(shared.choose(&random, now, None).unwrap());
    }
    assert_eq!((0..100).filter(|_| shared.takes_retry()).count(), 2, "one in five requests");
    let single = SharedUpstream::new(upstream(&[1]));
    assert!(!single.takes_retry(), "there is no other endpoint");
}
