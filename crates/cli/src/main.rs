//! The `earmark` binary.

fn main() {}
