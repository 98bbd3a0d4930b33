//! Lets the test binaries find libtorch in their own folder, and compiles `engine.cpp`.

include!("../files/rpath.rs");

fn main() {
    look_beside_the_program("rustc-link-arg");
    println!("cargo:rerun-if-changed=src/engine.cpp");
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
    let include = std::path::Path::new(&lib).with_file_name("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(&include)
        .file("src/engine.cpp")
        .compile("earmark_engine");
}
