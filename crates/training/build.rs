//! Has libtorch looked for at run time in the folder `lib` beside the tests' binaries, and in `torch` there, where the
//! build links it (`crates/files/build.rs`). The `earmark` binary has the same in its own build script, because cargo
//! passes link arguments on to nobody else.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let beside = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@loader_path",
        Ok("windows") => return,
        _ => "$ORIGIN",
    };
    for folder in ["lib", "lib/torch"] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{beside}/{folder}");
    }
}
