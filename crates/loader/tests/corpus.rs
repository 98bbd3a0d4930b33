//! The committed seeds of the fuzz target `cache`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/cache.rs"]
mod cache;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn every_seed_is_an_entry_or_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let place = cache::Place::new(folder.path());
    let (good, all) = seeds::good("cache", |bytes| place.check(bytes));
    assert!(good >= 6, "only {good} of {all} seeds are entries");
}
