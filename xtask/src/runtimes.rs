//! What the tests of exported models need besides Python: onnxruntime-web from npm, Chromium, and
//! the headers of ONNX Runtime for C++.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::cache_folder;
use crate::steps::{output, run};

/// The Debian release that has the headers; they are the same on every machine.
const RELEASE: &str = "trixie";
const HEADERS: &str = "libonnxruntime-dev";
const MAIN_HEADER: &str = "onnxruntime_cxx_api.h";
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The variables of the tests, with what is there or can be installed. In CI a test without its
/// variable fails; elsewhere it is skipped with a message.
pub fn for_tests(root: &Path) -> Vec<(&'static str, PathBuf)> {
    type Find = fn(&Path) -> Result<PathBuf>;
    let needed: [(&str, &str, Find); 3] = [
        ("EARMARK_WEB", "onnxruntime-web", web),
        ("EARMARK_CHROMIUM", "Chromium", |_| chromium()),
        ("EARMARK_ONNXRUNTIME_INCLUDE", "headers of ONNX Runtime", |_| headers()),
    ];
    let mut variables = Vec::new();
    for (variable, what, find) in needed {
        let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        match named.map_or_else(|| find(root), Ok) {
            Ok(path) => variables.push((variable, path)),
            Err(error) => eprintln!("no {what} for the tests ({variable} can name it): {error:#}"),
        }
    }
    variables
}

/// The installed packages of `xtask/web`, in the versions of its lock file.
fn web(root: &Path) -> Result<PathBuf> {
    let (source, folder) = (root.join("xtask/web"), cache_folder()?.join("web"));
    let (modules, stamp) = (folder.join("node_modules"), folder.join("earmark-installed.json"));
    let lock = fs::read(source.join("package-lock.json")).context("xtask/web/package-lock.json")?;
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(modules);
    }
    eprintln!("installing onnxruntime-web into {}", folder.display());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(modules)
}

/// An installed Chromium. In CI, Debian's is installed if there is none.
fn chromium() -> Result<PathBuf> {
    if let Some(path) = BROWSERS.iter().find_map(in_path) {
        return Ok(path);
    }
    if std::env::var_os("CI").is_none() {
        bail!("install Debian's package chromium, or Chrome");
    }
    eprintln!("installing Chromium");
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("apt-get").args(["install", "--yes", "--quiet", "--no-install-recommends", "chromium"]))?;
    BROWSERS.iter().find_map(in_path).context("apt-get has installed no program of this name")
}

/// A program in one of the folders of `PATH`.
fn in_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name.as_ref())).find(|path| path.is_file())
}

/// The folder of ONNX Runtime's headers for C++: Debian's, unpacked into the cache folder.
fn headers() -> Result<PathBuf> {
    let (system, folder) = (PathBuf::from("/usr/include/onnxruntime"), cache_folder()?.join("onnxruntime-headers"));
    let include = folder.join("include");
    for installed in [system, include.clone()] {
        if installed.join(MAIN_HEADER).is_file() {
            return Ok(installed);
        }
    }
    eprintln!("unpacking {HEADERS} into {}", folder.display());
    let unpacked = folder.join("unpacked");
    for name in ["sources", "lists/partial", "cache/archives/partial", "unpacked"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    fs::write(folder.join("sources/release.list"), source_of_release()?).context("cannot write the list of sources")?;
    // The system's own lists and packages do not change.
    let apt = |word: &str| {
        let mut command = Command::new("apt-get");
        for (key, place) in [
            ("Dir::Etc::sourcelist", Path::new("/dev/null")),
            ("Dir::Etc::sourceparts", &folder.join("sources")),
            ("Dir::State::lists", &folder.join("lists")),
            ("Dir::Cache", &folder.join("cache")),
        ] {
            command.arg("-o").arg(format!("{key}={}", place.display()));
        }
        command.args(["-o", "APT::Sandbox::User=root", "--quiet", word]).current_dir(&folder);
        command
    };
    run(&mut apt("update"))?;
    run(apt("download").arg(HEADERS))?;
    let is_package = |path: &PathBuf| path.extension() == Some(OsStr::new("deb"));
    let entries = fs::read_dir(&folder).context("the folder of the headers")?;
    let package = entries.flatten().map(|entry| entry.path()).find(is_package).context("apt-get left no package")?;
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
    fs::rename(unpacked.join("usr/include/onnxruntime"), &include).context("the package has no headers")?;
    Ok(include)
}

/// A line for apt with the release that has the headers, from the machine's own mirror of Debian.
fn source_of_release() -> Result<String> {
    let policy = output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]))?;
    let is_debian = |line: &&str| {
        let (uri, _) = line.split_once(' ').unwrap_or((line, ""));
        uri.trim_end_matches('/').ends_with("/debian")
    };
    let line = policy.lines().find(is_debian).context("apt has no mirror of Debian")?;
    let (uri, _) = line.split_once(' ').unwrap_or((line, ""));
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    Ok(format!("deb [signed-by={keys}] {uri} {RELEASE} main\n"))
}
