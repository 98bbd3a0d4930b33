//! Where the binary looks for the native libraries.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::path::Path;
use std::process::Command;

/// Whoever can create such a folder on another machine would have code loaded. (The texts of
/// libtorch's assertions name its headers, which are opened by nobody.)
#[test]
fn the_binary_names_no_folder_of_libraries_in_the_checkout() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_earmark")).unwrap();
    let libtorch = option_env!("LIBTORCH").unwrap_or(".native/torch");
    for folder in [".native/lib", ".native/torch/lib", &format!("{libtorch}/lib")] {
        let found = binary.windows(folder.len()).any(|window| window == folder.as_bytes());
        assert!(!found, "{folder}");
    }
}

/// The folder `lib` goes with the binary.
#[test]
fn the_binary_runs_where_it_is_copied_with_its_folder_of_libraries() {
    let built = Path::new(env!("CARGO_BIN_EXE_earmark"));
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("earmark");
    std::fs::copy(built, &copy).unwrap();
    let runs = || Command::new(&copy).args(["nets", "list"]).env_remove("LD_LIBRARY_PATH").output().unwrap();
    let linked = cfg!(feature = "train");
    assert_eq!(runs().status.success(), !linked, "{:?}", runs());
    std::os::unix::fs::symlink(built.with_file_name("lib"), folder.path().join("lib")).unwrap();
    assert!(runs().status.success(), "{:?}", runs());
}
