//! Lets the test binaries find libtorch next to themselves.

include!("../files/rpath.rs");

fn main() {
    look_beside_the_program("rustc-link-arg");
}
