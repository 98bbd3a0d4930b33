//! `cargo xtask deny`: licences, sources, bans and advisories of the dependencies, by `cargo deny`
//! at a pinned version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::cache_folder;
use crate::steps::{cargo, run};

const VERSION: &str = "0.20.2";

/// Checks `deny.toml`. Advisories are checked where their database can be downloaded; elsewhere a
/// line on stderr says that they were not.
pub fn deny(root: &Path) -> Result<()> {
    let program = installed(root)?;
    let command = || {
        let mut command = Command::new(&program);
        command.current_dir(root).args(["--log-level", "error"]);
        command
    };
    run(command().args(["check", "bans", "licenses", "sources"]))?;
    match run(command().args(["fetch", "db"])) {
        Ok(()) => run(command().args(["check", "--disable-fetch", "advisories"])),
        Err(_) => {
            eprintln!("skipped: advisories; their database (see above) cannot be reached");
            Ok(())
        }
    }
}

/// The path of `cargo-deny` in the cache folder, built there on first use.
fn installed(root: &Path) -> Result<PathBuf> {
    let folder = cache_folder()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        eprintln!("installing cargo-deny {VERSION} into {} (minutes, once)", folder.display());
        let build = folder.join("build");
        let words = format!("install --quiet --locked cargo-deny --version {VERSION} --root");
        run(cargo(root, &words).arg(&folder).arg("--target-dir").arg(&build))
            .with_context(|| format!("cannot install cargo-deny {VERSION}"))?;
        std::fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    }
    Ok(program)
}
