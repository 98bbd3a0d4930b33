//! `cargo xtask dist`: a release in a folder and an archive, with no path of this machine in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::setup::setup;
use crate::steps::{Steps, cargo, link, metadata, run, target_folder};

const PROGRAMS: [&str; 2] = ["earmark", "earmark-train"];
/// What the programs open at run time, as paths in `.native/`; of XGBoost's `.libs`, an install has
/// one.
const NATIVE: [&str; 6] =
    ["onnxruntime/capi", "xgboost/lib", "xgboost_cpu.libs", "xgboost.libs", "torch/lib", "nvidia"];
/// What `lib` beside the programs has: names, and what they lead to in `native`.
const LINKS: [(&str, &str); 3] = [
    ("libonnxruntime.so", "onnxruntime/capi/libonnxruntime.so.1.32.0"),
    ("libxgboost.so", "xgboost/lib/libxgboost.so"),
    ("torch", "torch/lib"),
];
const DOCUMENTS: [&str; 6] = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE", "recipes"];

/// Builds the release for this machine's system.
pub fn dist(root: &Path) -> Result<()> {
    let mut steps = Steps::new(root);
    steps.step("setup", || setup(root, false))?;
    let target = target_folder(root)?;
    let paths = machine_paths(root)?;

    // A folder of its own: other flags would build everything anew in the common one.
    let build = target.join("dist-build");
    let rust: Vec<String> = paths.iter().map(|path| format!("--remap-path-prefix={}=.", path.display())).collect();
    let c: Vec<String> = paths.iter().map(|path| format!("-ffile-prefix-map={}=.", path.display())).collect();
    let mut command = cargo(root, "build --release -p earmark --locked --target-dir");
    command
        .arg(&build)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        .env("CFLAGS", c.join(" "))
        .env("CXXFLAGS", c.join(" "));
    steps.step("build", || run(&mut command))?;

    let name = format!("earmark-{}-{}-linux", version(root)?, std::env::consts::ARCH);
    let folder = target.join("dist").join(&name);
    steps.step("assemble", || assemble(root, &build.join("release"), &folder))?;
    steps.step("check", || check(&folder, &paths))?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(target.join("dist")).arg("-czf").arg(target.join(format!("dist/{name}.tar.gz"))).arg(&name);
    steps.run(&mut tar)?;
    eprintln!("{}\n{}", steps.summary(), folder.display());
    Ok(())
}

/// Folders of this machine whose names must not be in a program: the checkout, and cargo's and
/// rustup's.
fn machine_paths(root: &Path) -> Result<Vec<PathBuf>> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let of = |variable: &str, folder: &str| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(folder)))
    };
    let others = [of("CARGO_HOME", ".cargo"), of("RUSTUP_HOME", ".rustup")];
    let paths = std::iter::once(root.to_owned()).chain(others.into_iter().flatten());
    paths.map(|path| path.canonicalize().with_context(|| path.display().to_string())).collect()
}

fn version(root: &Path) -> Result<String> {
    let metadata = metadata(root)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let ours = packages.iter().find(|package| package["name"] == "earmark").context("there is no package earmark")?;
    Ok(ours["version"].as_str().context("earmark has no version")?.to_owned())
}

fn assemble(root: &Path, built: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder.join("lib"))?;
    for program in PROGRAMS {
        fs::copy(built.join(program), folder.join(program)).with_context(|| format!("cannot copy {program}"))?;
    }
    for path in NATIVE.into_iter().filter(|path| root.join(".native").join(path).exists()) {
        let place = folder.join("native").join(path);
        fs::create_dir_all(place.parent().context("a path has a parent")?)?;
        copy(&root.join(".native").join(path), &place)?;
    }
    for (name, file) in LINKS {
        ensure!(folder.join("native").join(file).exists(), "native/{file} is missing");
        link(&Path::new("../native").join(file), &folder.join("lib").join(name))?;
    }
    DOCUMENTS.iter().try_for_each(|document| copy(&root.join(document), &folder.join(document)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// Checks that no program has a path of this machine, and that each runs from the folder.
fn check(folder: &Path, paths: &[PathBuf]) -> Result<()> {
    for program in PROGRAMS {
        let file = folder.join(program);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for path in paths {
            let text = path.to_str().context("a path is not Unicode")?.as_bytes();
            if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
                let line: Vec<u8> = bytes[at..].iter().copied().take_while(|byte| byte.is_ascii_graphic()).collect();
                bail!("{program} has a path of this machine: {}", String::from_utf8_lossy(&line));
            }
        }
        run(Command::new(&file).arg("--version").env_clear())?;
    }
    Ok(())
}
