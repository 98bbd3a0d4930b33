//! The committed seeds of the fuzz target `embeddings`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/embeddings.rs"]
mod embeddings;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn every_seed_is_a_table_or_an_error() {
    let place = tempfile::tempdir().unwrap();
    let (good, all) = seeds::good("embeddings", |bytes| embeddings::check(place.path(), bytes));
    assert!(good == 4 && all == 10, "{good} of {all} seeds are tables");
}
