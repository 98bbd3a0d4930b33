//! Lets the executable that trains find libtorch next to itself.

include!("../files/rpath.rs");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_some() {
        look_beside_the_program("rustc-link-arg-bin=earmark-train");
    }
}
