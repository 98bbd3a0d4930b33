//! Runs the committed seeds of the fuzz targets `archives` and `registry` under the same
//! conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/archives.rs"]
mod archives;
#[path = "../../../fuzz/checks/registry.rs"]
mod registry;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn every_seed_is_an_archive_or_an_error() {
    let (good, all) = seeds::good("archives", archives::check);
    assert!(good == 5 && all == 12, "{good} of {all} seeds are unpacked");
}

#[test]
fn every_seed_is_a_registry_or_an_error() {
    let place = tempfile::tempdir().unwrap();
    let (good, all) = seeds::good("registry", |bytes| registry::check(&place.path().join("registry.toml"), bytes));
    assert!(good == 2 && all == 5, "{good} of {all} seeds are tables of data sets");
}
