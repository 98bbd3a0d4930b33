//! A release as a Debian package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{link, output, run};

/// Where the programs and their libraries are.
const PLACE: &str = "usr/lib/earmark";
/// The shells, and the places of their completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/earmark"),
    ("zsh", "usr/share/zsh/vendor-completions/_earmark"),
    ("fish", "usr/share/fish/vendor_completions.d/earmark.fish"),
];
/// Of an assembled release, what goes to the documents.
const DOCUMENTS: [&str; 3] = ["README.md", "CHANGELOG.md", "SECURITY.md"];

/// What a package is called, and what it is.
pub struct Package<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub summary: &'a str,
    /// The package that has the same files.
    pub conflicts: &'a str,
}

/// Whether this machine can make packages.
pub fn is_possible() -> bool {
    Command::new("dpkg-deb").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Packs an assembled release; `tree` is a folder for the package's files.
pub fn pack(package: &Package<'_>, release: &Path, tree: &Path, archive: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    let place = tree.join(PLACE);
    fs::create_dir_all(&place)?;
    for entry in fs::read_dir(release)? {
        let name = entry?.file_name();
        let is_document = name.to_str().is_some_and(|name| DOCUMENTS.contains(&name) || name.starts_with("LICENSE"));
        if !is_document {
            run(Command::new("cp").arg("-a").arg(release.join(&name)).arg(&place))?;
        }
    }
    let earmark = place.join("earmark");
    folder_of(&tree.join("usr/bin/earmark"))?;
    link(&Path::new("..").join("lib/earmark/earmark"), &tree.join("usr/bin/earmark"))?;
    manual(&earmark, &tree.join("usr/share/man/man1"))?;
    for (shell, file) in COMPLETIONS {
        let script = output(Command::new(&earmark).args(["completions", shell]))?;
        write(&tree.join(file), &script)?;
    }
    documents(package.name, release, tree)?;
    write(&tree.join("DEBIAN/control"), &control(package)?)?;
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(tree).arg(archive);
    run(&mut build)
}

fn manual(earmark: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    run(Command::new(earmark).arg("man").arg(folder))?;
    let pages = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    run(Command::new("gzip").args(["-9", "-n"]).args(pages))
}

fn documents(name: &str, release: &Path, tree: &Path) -> Result<()> {
    let folder = tree.join("usr/share/doc").join(name);
    fs::create_dir_all(&folder)?;
    for document in DOCUMENTS {
        fs::copy(release.join(document), folder.join(document)).with_context(|| document.to_owned())?;
    }
    let licences = ["LICENSE-MIT", "LICENSE-APACHE"].map(|file| fs::read_to_string(release.join(file)));
    let [mit, apache] = licences;
    write(&folder.join("copyright"), &format!("Earmark is under either of two licences.\n\n{}\n{}", mit?, apache?))
}

fn control(package: &Package<'_>) -> Result<String> {
    let Package { name, version, summary, conflicts } = package;
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: The developers of \
         Earmark\nSection: sound\nPriority: optional\nDepends: libc6 (>= 2.36), libgcc-s1, \
         libstdc++6\nConflicts: {conflicts}\nReplaces: {conflicts}\nDescription: {summary}\n",
        architecture.trim()
    ))
}

/// Writes a file, and makes its folder.
fn write(path: &Path, text: &str) -> Result<()> {
    folder_of(path)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("a path has a parent")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
