//! `cargo xtask dist`: releases, each in a folder and an archive, with no path of this machine in
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::deb;
use crate::setup::setup;
use crate::steps::{Steps, cargo, link, metadata, run, target_folder};

/// What is released.
struct Release {
    /// The start of its name.
    name: &'static str,
    /// What it is, for the Debian package.
    summary: &'static str,
    /// Options of the build.
    features: &'static str,
    programs: &'static [&'static str],
    /// What the programs open at run time, as paths in `.native/`; of XGBoost's `.libs`, an install
    /// has one.
    native: &'static [&'static str],
    /// What `lib` beside the programs has: names, and what they lead to in `native`.
    links: &'static [(&'static str, &'static str)],
    documents: &'static [&'static str],
}

const ONNX_RUNTIME: (&str, &str) = ("libonnxruntime.so", "onnxruntime/capi/libonnxruntime.so.1.32.0");

const RELEASES: [Release; 2] = [
    Release {
        name: "earmark-tag",
        summary: "audio tagger: tags, events and embeddings of sounds by ONNX Runtime",
        features: "--no-default-features",
        programs: &["earmark"],
        native: &["onnxruntime/capi"],
        links: &[ONNX_RUNTIME],
        documents: &["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"],
    },
    Release {
        name: "earmark",
        summary: "audio tagger: trains taggers, and tags sounds",
        features: "",
        programs: &["earmark", "earmark-train"],
        native: &["onnxruntime/capi", "xgboost/lib", "xgboost_cpu.libs", "xgboost.libs", "torch/lib", "nvidia"],
        links: &[ONNX_RUNTIME, ("libxgboost.so", "xgboost/lib/libxgboost.so"), ("torch", "torch/lib")],
        documents: &["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE", "recipes"],
    },
];

/// Builds the releases for this machine's system: the commands that need ONNX Runtime alone, and
/// all.
pub fn dist(root: &Path) -> Result<()> {
    let mut steps = Steps::new(root);
    steps.step("setup", || setup(root, false))?;
    let target = target_folder(root)?;
    let paths = machine_paths(root)?;

    // A folder of its own: other flags would build everything anew in the common one.
    let build = target.join("dist-build");
    let rust: Vec<String> = paths.iter().map(|path| format!("--remap-path-prefix={}=.", path.display())).collect();
    let c: Vec<String> = paths.iter().map(|path| format!("-ffile-prefix-map={}=.", path.display())).collect();
    let mut made = Vec::new();
    for release in &RELEASES {
        let mut command =
            cargo(root, &format!("build --release -p earmark --locked {} --target-dir", release.features));
        command
            .arg(&build)
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
            .env("CFLAGS", c.join(" "))
            .env("CXXFLAGS", c.join(" "));
        steps.step(&format!("build {}", release.name), || run(&mut command))?;

        let name = format!("{}-{}-{}-linux", release.name, version(root)?, std::env::consts::ARCH);
        let folder = target.join("dist").join(&name);
        steps.step("assemble", || assemble(root, release, &build.join("release"), &folder))?;
        steps.step("check", || check(release, &folder, &paths))?;
        let archive = target.join(format!("dist/{name}.tar.gz"));
        let mut tar = Command::new("tar");
        steps.run(tar.arg("-C").arg(target.join("dist")).arg("-czf").arg(&archive).arg(&name))?;
        made.push(archive);
        if deb::is_possible() {
            let package = target.join(format!("dist/{name}.deb"));
            let tree = target.join("dist-deb").join(release.name);
            steps
                .step("Debian package", || deb::pack(&of_debian(release, &version(root)?), &folder, &tree, &package))?;
            made.push(package);
        }
    }
    let sizes = made.iter().map(|path| {
        let bytes = fs::metadata(path).with_context(|| path.display().to_string())?.len();
        Ok(format!("{}: {:.1} MB", path.display(), bytes as f64 / 1e6))
    });
    let made = sizes.collect::<Result<Vec<_>>>()?;
    eprintln!("{}\n{}", steps.summary(), made.join("\n"));
    Ok(())
}

fn of_debian<'a>(release: &Release, version: &'a str) -> deb::Package<'a> {
    let conflicts = if release.name == "earmark" { "earmark-tag" } else { "earmark" };
    deb::Package { name: release.name, version, summary: release.summary, conflicts }
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

fn assemble(root: &Path, release: &Release, built: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder.join("lib"))?;
    for program in release.programs {
        fs::copy(built.join(program), folder.join(program)).with_context(|| format!("cannot copy {program}"))?;
    }
    for path in release.native.iter().filter(|path| root.join(".native").join(path).exists()) {
        let place = folder.join("native").join(path);
        fs::create_dir_all(place.parent().context("a path has a parent")?)?;
        copy(&root.join(".native").join(path), &place)?;
    }
    for (name, file) in release.links {
        ensure!(folder.join("native").join(file).exists(), "native/{file} is missing");
        link(&Path::new("../native").join(file), &folder.join("lib").join(name))?;
    }
    release.documents.iter().try_for_each(|document| copy(&root.join(document), &folder.join(document)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// Checks that no program has a path of this machine, and that each runs from the folder.
fn check(release: &Release, folder: &Path, paths: &[PathBuf]) -> Result<()> {
    for program in release.programs {
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
