//! Where to find the native libraries that are loaded at run time.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

/// The paths at which to look for a shared library, in this order. `library` is its name without
/// the system's prefix and suffix, such as `xgboost` for `libxgboost.so`.
///
/// - If the environment variable `variable` is set: only the file that it names.
/// - The folder `lib` next to the program. In a checkout the build links the libraries of
///   `.native/` there.
/// - The system's library search path.
///
/// No other folder is searched: anybody who can write to such a folder could otherwise inject code.
pub fn library_places(variable: &str, library: &str) -> Vec<PathBuf> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => vec![path.into()],
        None => places(std::env::current_exe().ok().as_deref(), library),
    }
}

fn places(program: Option<&Path>, library: &str) -> Vec<PathBuf> {
    let file = format!("{DLL_PREFIX}{library}{DLL_SUFFIX}");
    let beside = program.and_then(Path::parent).map(|folder| folder.join("lib").join(&file));
    // A wheel's library finds its dependencies relative to its own path, not to a link's.
    let beside = beside.map(|path| path.canonicalize().unwrap_or(path));
    beside.into_iter().chain([file.into()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_s_own_folder_and_the_system_are_searched() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let file = format!("{DLL_PREFIX}x{DLL_SUFFIX}");
        for folder in [".native/lib", "target/.native/lib", "target/release/lib", "target/lib", "lib"] {
            crate::write_atomic(&root.join(folder).join(&file), b"").unwrap();
        }
        let found = places(Some(&root.join("target/release/program")), "x");
        assert_eq!(found, [root.join("target/release/lib").join(&file), file.clone().into()]);
        assert_eq!(places(None, "x"), [PathBuf::from(&file)]);
    }

    /// Tests find the libraries that the build has linked, although they are in a separate folder.
    #[cfg(unix)]
    #[test]
    fn the_build_links_the_libraries_beside_tests() {
        let lib = std::env::current_exe().unwrap().parent().unwrap().join("lib");
        let program = lib.canonicalize().unwrap().parent().unwrap().join("earmark");
        for library in ["onnxruntime", "xgboost"] {
            let link = lib.join(format!("{DLL_PREFIX}{library}{DLL_SUFFIX}"));
            let target = std::fs::read_link(&link).unwrap();
            let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
            assert!(target.starts_with(checkout.join(".native/lib")), "{}", target.display());
            assert_eq!(places(Some(&program), library), places(std::env::current_exe().ok().as_deref(), library));
        }
    }
}
