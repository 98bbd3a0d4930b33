//! Runs the committed seeds of the fuzz target `manifest` under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn every_seed_is_a_data_set_or_an_error() {
    let (good, all) = seeds::good("manifest", manifest::check);
    assert!(good >= 12, "only {good} of {all} seeds open");
}
