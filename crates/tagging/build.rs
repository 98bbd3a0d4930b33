//! Lets the test binaries find libtorch in their own folder.

include!("../files/rpath.rs");

fn main() {
    look_beside_the_program("rustc-link-arg");
}
