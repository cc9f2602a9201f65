//! Tests of what the cache keeps, drops and finds.

use super::*;
use crate::{Account, Counters, Credential, Grants, KeyId, KeyRecord, LocalCounters, Plan};

const PLANS: u64 = 0;
const SLOT: CacheSlot = CacheSlot { set: 3, tag: 7 };

fn at(seconds: u64) -> Now {
    Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
}

fn cache() -> KeyCache {
    let bounds = CacheBounds { entries: 64, ttl: Duration::from_secs(10) };
    KeyCache::new(bounds, bounds)
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    // Spread over all sets, as digests are.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    Digest::from_bytes(bytes)
}

fn principal(cache: &KeyCache, digest: Digest, epoch: Epoch) -> Arc<Principal> {
    stored_under(cache, digest, digest, epoch)
}

fn stored_under(cache: &KeyCache, digest: Digest, presented: Digest, epoch: Epoch) -> Arc<Principal> {
    let account =
        Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "plan".into(), grant_day: None };
    let key = KeyRecord {
        id: KeyId::generate(),
        account: account.id.clone(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: at(0).wall,
        expires: None,
        revoked: None,
        disabled: None,
        grants: Grants::default(),
        metadata: std::collections::BTreeMap::new(),
    };
    let plan = Arc::new(Plan::named("plan"));
    let meter = LocalCounters::new().open(&account, &key.id, &plan, at(0));
    let credential = Arc::new(Credential { digest, replaced: None, key, account });
    let meta = cache.present_meta(presented, epoch, at(0));
    Arc::new(Principal::new(meta, "shop".into(), credential, meter))
}

fn keep(cache: &KeyCache, digest: Digest, present: bool, epoch: Epoch) {
    if present {
        cache.keep_present(SLOT, &principal(cache, digest, epoch), epoch, at(0));
    } else {
        cache.keep_absent(digest, epoch, at(0));
    }
}

#[test]
fn a_change_evicts_its_entries_and_no_others() {
    let account = DirectoryChange::Account("acme".parse().unwrap());
    let other = DirectoryChange::Account("other".parse().unwrap());
    for (present, change, is_kept) in [
        (true, DirectoryChange::Key(digest(1)), false),
        (true, DirectoryChange::Key(digest(2)), true),
        (true, account.clone(), false),
        (true, other, true),
        (false, DirectoryChange::Key(digest(1)), false),
        (false, account, true),
    ] {
        let cache = cache();
        keep(&cache, digest(1), present, cache.epoch(PLANS));
        cache.invalidate(&change);
        assert_eq!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_some(), is_kept, "{present} {change:?}");
    }
}

#[test]
fn discards_a_lookup_that_began_before_a_change() {
    let cache = cache();
    let epoch = cache.epoch(PLANS);
    cache.invalidate(&DirectoryChange::Key(digest(1)));
    keep(&cache, digest(1), true, epoch);
    assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_none());
}

#[test]
fn an_entry_is_fresh_for_its_lifetime_and_its_plans() {
    let cache = cache();
    keep(&cache, digest(1), true, cache.epoch(PLANS));
    assert!(cache.find(SLOT, &digest(1), PLANS, at(9)).is_some());
    assert!(cache.find(SLOT, &digest(1), PLANS, at(10)).is_none());
    assert!(cache.find(SLOT, &digest(1), PLANS + 1, at(9)).is_none());
}

#[test]
fn unknown_digests_evict_no_key() {
    let cache = cache();
    keep(&cache, digest(1), true, cache.epoch(PLANS));
    for number in 2..10_000 {
        keep(&cache, digest(number), false, cache.epoch(PLANS));
    }
    assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_some());
    assert_eq!(cache.absent.sets.len() * WAYS, 70);
}

#[test]
fn a_change_finds_a_key_by_its_stored_and_its_presented_digest() {
    for named in [digest(1), digest(2)] {
        let cache = cache();
        let epoch = cache.epoch(PLANS);
        cache.keep_present(SLOT, &stored_under(&cache, digest(1), digest(2), epoch), epoch, at(0));
        assert!(cache.find(SLOT, &digest(2), PLANS, at(0)).is_some());
        cache.invalidate(&DirectoryChange::Key(named));
        assert!(cache.find(SLOT, &digest(2), PLANS, at(0)).is_none());
    }
}

#[test]
fn a_change_finds_a_key_that_was_inserted_again() {
    let cache = cache();
    for times in 1..4 {
        for _ in 0..times {
            keep(&cache, digest(1), true, cache.epoch(PLANS));
        }
        assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_some());
        cache.invalidate(&DirectoryChange::Key(digest(1)));
        assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_none());
    }
}

#[test]
fn a_replaced_record_is_no_longer_fresh() {
    let cache = cache();
    let epoch = cache.epoch(PLANS);
    let [first, second] = [(); 2].map(|()| principal(&cache, digest(1), epoch));
    let is_fresh = |principal: &Principal| principal.meta().is_fresh(&digest(1), PLANS, at(0));
    cache.keep_present(SLOT, &first, epoch, at(0));
    assert!(is_fresh(&first));
    cache.keep_present(SLOT, &second, epoch, at(0));
    assert!(is_fresh(&second) && !is_fresh(&first));
}

#[test]
fn a_full_set_evicts_old_keys_and_its_keys_can_be_changed() {
    let cache = cache();
    for number in 0..50 {
        keep(&cache, digest(number), true, cache.epoch(PLANS));
    }
    let is_cached = |number: &u64| cache.find(SLOT, &digest(*number), PLANS, at(0)).is_some();
    let is_kept: Vec<u64> = (0..50).filter(is_cached).collect();
    assert_eq!(is_kept.len(), WAYS);
    assert_eq!(cache.sets().len(), WAYS);
    for number in is_kept {
        cache.invalidate(&DirectoryChange::Key(digest(number)));
        assert!(!is_cached(&number));
    }
    assert!(cache.sets().is_empty());
}

#[test]
fn the_index_of_sets_is_empty_after_evictions() {
    let account = DirectoryChange::Account("acme".parse().unwrap());
    for (change, before) in
        [(DirectoryChange::Key(digest(1)), true), (account, false), (DirectoryChange::Everything, false)]
    {
        let cache = cache();
        let epoch = cache.epoch(PLANS);
        if before {
            cache.invalidate(&change);
        }
        keep(&cache, digest(1), true, epoch);
        assert_eq!(cache.sets().is_empty(), before);
        cache.invalidate(&change);
        assert!(cache.sets().is_empty(), "{change:?}");
    }
}

#[test]
fn secrets_spread_over_all_sets_and_keep_their_slot() {
    let (cache, other) = (cache(), self::cache());
    let slots_of = |cache: &KeyCache| -> Vec<usize> {
        (0..1000).map(|number| cache.slot_of_secret(&format!("shop_{number}")).set).collect()
    };
    let sets = slots_of(&cache);
    assert_eq!(sets, slots_of(&cache));
    assert!((0..cache.present.sets.len()).all(|set| sets.contains(&set)));
    // Another hash key selects other slots.
    assert_ne!(sets, slots_of(&other));
}

#[test]
fn a_set_takes_two_cache_lines() {
    assert_eq!(size_of::<Set<Principal>>(), 128);
}
