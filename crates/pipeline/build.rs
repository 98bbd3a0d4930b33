//! The tests' binaries find libtorch beside themselves.

include!("../files/rpath.rs");

fn main() {
    look_beside_the_program("rustc-link-arg");
}
