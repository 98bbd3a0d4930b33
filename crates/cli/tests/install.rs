//! Where the binary looks for the native libraries.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::path::Path;
use std::process::Command;

/// Otherwise, anybody who can create such a folder on another machine could inject code. (The
/// messages of libtorch's assertions contain paths of its headers, but nothing opens these.)
#[test]
fn the_binary_names_no_folder_of_libraries_in_the_checkout() {
    let libtorch = option_env!("LIBTORCH").unwrap_or(".native/torch");
    for binary in
        [Some(env!("CARGO_BIN_EXE_earmark")), option_env!("CARGO_BIN_EXE_earmark-train")].into_iter().flatten()
    {
        let bytes = std::fs::read(binary).unwrap();
        for folder in [".native/lib", ".native/torch/lib", &format!("{libtorch}/lib")] {
            let found = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
            assert!(!found, "{folder} in {binary}");
        }
    }
}

/// The binary needs its folder `lib` next to it.
#[test]
fn the_binary_runs_where_it_is_copied_with_its_folder_of_libraries() {
    let built = Path::new(env!("CARGO_BIN_EXE_earmark"));
    let folder = tempfile::tempdir().unwrap();
    let runs = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(folder.path().join(name));
        command.args(arguments).env_remove("LD_LIBRARY_PATH").output().unwrap()
    };
    let list = ["nets", "list"];
    std::fs::copy(built, folder.path().join("earmark")).unwrap();
    assert!(runs("earmark", &list).status.success(), "it needs no libtorch");
    let missing = runs("earmark", &["report", "run"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("earmark-train"), "{missing:?}");
    // An empty file would be run as a shell script that does nothing.
    std::fs::copy(built, folder.path().join("earmark-train")).unwrap();
    std::fs::write(folder.path().join("earmark-train"), "").unwrap();
    let empty = runs("earmark", &["report", "run"]);
    assert_eq!(empty.status.code(), Some(1), "{empty:?}");
    std::fs::remove_file(folder.path().join("earmark-train")).unwrap();
    if cfg!(feature = "train") {
        std::fs::copy(built.with_file_name("earmark-train"), folder.path().join("earmark-train")).unwrap();
        assert!(!runs("earmark-train", &list).status.success());
        std::os::unix::fs::symlink(built.with_file_name("lib"), folder.path().join("lib")).unwrap();
        assert!(runs("earmark-train", &list).status.success(), "{:?}", runs("earmark-train", &list));
    }
}
