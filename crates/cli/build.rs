//! Tells the binary where libtorch lies, if it trains.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let trains = std::env::var_os("CARGO_FEATURE_TRAIN").is_some();
    if let (true, Ok(libtorch)) = (trains, std::env::var("LIBTORCH")) {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{libtorch}/lib");
    }
}
