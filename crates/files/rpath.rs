// Included by the build script of every crate that links to libtorch: cargo does not pass link
// arguments on to dependent crates.

/// Sets the rpath so that libtorch is loaded at run time from the folder `lib` next to the program
/// or from `lib/torch`, where the build links it (`crates/files/build.rs`). `argument` is cargo's
/// `rustc-link-arg` or its variant for binaries.
fn look_beside_the_program(argument: &str) {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../files/rpath.rs");
    let beside = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@loader_path",
        Ok("windows") => return,
        _ => "$ORIGIN",
    };
    for folder in ["lib", "lib/torch"] {
        println!("cargo:{argument}=-Wl,-rpath,{beside}/{folder}");
    }
}
