// Included by the build scripts of what is linked to libtorch: cargo passes link arguments on to
// nobody else.

/// Has libtorch looked for at run time in the folder `lib` beside the program, and in `torch`
/// there, where the build links it (`crates/files/build.rs`). `argument` is cargo's
/// `rustc-link-arg`, or that for binaries.
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
