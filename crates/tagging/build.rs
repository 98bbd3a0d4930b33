//! Tells the tests' binaries where libtorch lies; the `earmark` binary has the same in its own build script, because
//! cargo passes link arguments on to nobody else.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    }
}
