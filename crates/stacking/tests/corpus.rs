//! The committed seeds of the fuzz target `trees`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;
#[path = "../../../fuzz/checks/trees.rs"]
mod trees;

#[test]
fn every_seed_is_trees_or_an_error() {
    let (good, all) = seeds::good("trees", trees::check);
    assert!(good == 4 && all == 9, "{good} of {all} seeds are trees");
}
