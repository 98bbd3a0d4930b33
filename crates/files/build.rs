//! Links the native libraries into the folder `lib` next to the build outputs. They are looked up
//! only there, both in a checkout and in an installation, so that no binary contains a path of the
//! machine that built it.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    #[cfg(unix)]
    if let Err(error) = link_all() {
        println!("cargo:warning=the native libraries could not be linked beside the program: {error}");
    }
}

/// The program is in the folder of its profile; tests, benches and examples are in subfolders.
#[cfg(unix)]
fn link_all() -> std::io::Result<()> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let out = std::env::var("OUT_DIR").map_err(std::io::Error::other)?;
    let build = Path::new(&out).ancestors().find(|folder| folder.ends_with("build"));
    let Some(profile) = build.and_then(Path::parent) else { return Ok(()) };
    let lib = profile.join("lib");
    std::fs::create_dir_all(&lib)?;
    for folder in ["deps", "examples"] {
        std::fs::create_dir_all(profile.join(folder))?;
        link(Path::new("../lib"), &profile.join(folder).join("lib"))?;
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    for library in ["onnxruntime", "xgboost"] {
        let file = format!("{DLL_PREFIX}{library}{DLL_SUFFIX}");
        link(&checkout.join(".native/lib").join(&file), &lib.join(file))?;
    }
    match std::env::var_os("LIBTORCH") {
        Some(libtorch) => link(&checkout.join(libtorch).join("lib"), &lib.join("torch")),
        None => Ok(()),
    }
}

/// Creates a link, replacing one with another target. The target need not exist yet: `cargo xtask
/// setup` may create it later.
#[cfg(unix)]
fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|found| found == target) {
        return Ok(());
    }
    let fresh = link.with_extension(format!("{}.new", std::process::id()));
    std::os::unix::fs::symlink(target, &fresh)?;
    std::fs::rename(&fresh, link)
}
