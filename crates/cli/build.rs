//! Has libtorch looked for at run time in the folder `lib` beside the binary, and in `torch` there, where the build links
//! it (`crates/files/build.rs`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return;
    }
    let beside = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@loader_path",
        Ok("windows") => return,
        _ => "$ORIGIN",
    };
    for folder in ["lib", "lib/torch"] {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{beside}/{folder}");
    }
}
