//! Tests of what the cache keeps, drops and finds.

use super::*;
use crate::{Account, Counters, Credential, Grants, KeyId, KeyRecord, LocalCounters, Plan};

const PLANS: u64 = 0;
const SLOT: CacheSlot = CacheSlot { set: 3, tag: 7 };

fn at(seconds: u64) -> Now {
    Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(seconds) }
}

fn cache() -> KeyCache {
    let bounds = CacheBounds { entries: 64, kept_for: Duration::from_secs(10) };
    KeyCache::new(bounds, bounds)
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    // Over all sets, as digests are.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    Digest::from_bytes(bytes)
}

fn principal(cache: &KeyCache, digest: Digest, epoch: Epoch) -> Arc<Principal> {
    stored_under(cache, digest, digest, epoch)
}

fn stored_under(cache: &KeyCache, digest: Digest, presented: Digest, epoch: Epoch) -> Arc<Principal> {
    let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: "plan".into() };
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
fn a_change_drops_what_it_concerns_and_nothing_else() {
    let account = DirectoryChange::Account("acme".parse().unwrap());
    let stranger = DirectoryChange::Account("other".parse().unwrap());
    for (present, change, kept) in [
        (true, DirectoryChange::Key(digest(1)), false),
        (true, DirectoryChange::Key(digest(2)), true),
        (true, account.clone(), false),
        (true, stranger, true),
        (false, DirectoryChange::Key(digest(1)), false),
        (false, account, true),
    ] {
        let cache = cache();
        keep(&cache, digest(1), present, cache.epoch(PLANS));
        cache.invalidate(&change);
        assert_eq!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_some(), kept, "{present} {change:?}");
    }
}

#[test]
fn what_was_looked_up_before_a_change_is_not_kept_after_it() {
    let cache = cache();
    let epoch = cache.epoch(PLANS);
    cache.invalidate(&DirectoryChange::Key(digest(1)));
    keep(&cache, digest(1), true, epoch);
    assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_none());
}

#[test]
fn an_entry_is_believed_for_its_time_and_under_its_plans() {
    let cache = cache();
    keep(&cache, digest(1), true, cache.epoch(PLANS));
    assert!(cache.find(SLOT, &digest(1), PLANS, at(9)).is_some());
    assert!(cache.find(SLOT, &digest(1), PLANS, at(10)).is_none());
    assert!(cache.find(SLOT, &digest(1), PLANS + 1, at(9)).is_none());
}

#[test]
fn unknown_keys_displace_no_known_one_however_many_they_are() {
    let cache = cache();
    keep(&cache, digest(1), true, cache.epoch(PLANS));
    for number in 2..10_000 {
        keep(&cache, digest(number), false, cache.epoch(PLANS));
    }
    assert!(cache.find(SLOT, &digest(1), PLANS, at(0)).is_some());
    assert_eq!(cache.absent.sets.len() * WAYS, 70);
}

#[test]
fn a_change_finds_a_key_by_what_is_stored_and_by_what_was_presented() {
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
fn a_key_that_is_kept_again_is_found_by_the_next_change() {
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
fn what_is_replaced_is_believed_by_nobody_who_has_it_still() {
    let cache = cache();
    let epoch = cache.epoch(PLANS);
    let [first, second] = [(); 2].map(|()| principal(&cache, digest(1), epoch));
    let is_believed = |who: &Principal| who.meta().is_fresh(&digest(1), PLANS, at(0));
    cache.keep_present(SLOT, &first, epoch, at(0));
    assert!(is_believed(&first));
    cache.keep_present(SLOT, &second, epoch, at(0));
    assert!(is_believed(&second) && !is_believed(&first));
}

#[test]
fn a_full_set_forgets_whom_it_displaces_and_can_drop_everyone_it_has() {
    let cache = cache();
    for number in 0..50 {
        keep(&cache, digest(number), true, cache.epoch(PLANS));
    }
    let known = |number: &u64| cache.find(SLOT, &digest(*number), PLANS, at(0)).is_some();
    let kept: Vec<u64> = (0..50).filter(known).collect();
    assert_eq!(kept.len(), WAYS);
    assert_eq!(cache.sets().len(), WAYS);
    for number in kept {
        cache.invalidate(&DirectoryChange::Key(digest(number)));
        assert!(!known(&number));
    }
    assert!(cache.sets().is_empty());
}

#[test]
fn nothing_is_left_of_what_came_too_late_or_went_with_its_account_or_with_everything() {
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
fn secrets_are_spread_over_all_sets_and_have_their_place_for_as_long_as_the_process() {
    let (cache, other) = (cache(), self::cache());
    let slots_of = |cache: &KeyCache| -> Vec<usize> {
        (0..1000).map(|number| cache.slot_of_secret(&format!("shop_{number}")).set).collect()
    };
    let sets = slots_of(&cache);
    assert_eq!(sets, slots_of(&cache));
    assert!((0..cache.present.sets.len()).all(|set| sets.contains(&set)));
    // Under another key they are elsewhere.
    assert_ne!(sets, slots_of(&other));
}

#[test]
fn a_set_is_two_cache_lines() {
    assert_eq!(size_of::<Set<Principal>>(), 128);
}
