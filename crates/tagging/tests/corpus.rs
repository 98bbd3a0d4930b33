//! The committed seeds of the fuzz target `bundles`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/bundles.rs"]
mod bundles;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn every_seed_describes_a_bundle_or_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let (good, all) = seeds::good("bundles", |bytes| bundles::check(place.path(), bytes));
    assert!(good == 3 && all == 6, "{good} of {all} seeds describe bundles");
}
