//! `cargo xtask setup`: the native libraries, unpacked into `.native/` for this checkout.
//!
//! Wheels are downloaded into the user's cache folder and verified there. The files that Earmark
//! needs are unpacked into `.native/` next to each other, as in site-packages, because the
//! libraries find each other by relative paths.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use crate::python::Python;
use crate::steps::link;
use crate::wheels::{LIBRARIES, Library, WHEELS, Wheel};

/// The file that lists the unpacked wheels. It is written last, so a folder that has it is
/// complete.
const STAMP: &str = "earmark-stamp.txt";

/// The libraries that a setup installs.
struct Plan {
    cuda: bool,
    /// The column of the digests, and the name of the machine in wheels.
    machine: (usize, &'static str),
    libraries: Vec<Library>,
}

impl Plan {
    fn wheels(&self) -> impl Iterator<Item = &'static Wheel> {
        self.wheels_for(self.cuda)
    }

    fn wheels_for(&self, cuda: bool) -> impl Iterator<Item = &'static Wheel> {
        WHEELS.iter().filter(move |wheel| self.libraries.contains(&wheel.library) && !wheel.keep(cuda).is_empty())
    }

    fn sha256(&self, wheel: &Wheel) -> &'static str {
        wheel.sha256[self.machine.0]
    }

    /// The line of the stamp for a wheel.
    fn line(&self, wheel: &Wheel, cuda: bool) -> String {
        let kind = if cuda { "cuda" } else { "cpu" };
        format!("{} {} {} {kind}", wheel.name, wheel.version, self.sha256(wheel))
    }

    /// Whether `native` already has everything. A CUDA install also works on the CPU.
    fn is_done(&self, native: &Path) -> bool {
        let stamp = fs::read_to_string(native.join(STAMP)).unwrap_or_default();
        let stamped = |wheel: &Wheel, cuda| stamp.lines().any(|line| line == self.line(wheel, cuda));
        let all = |cuda| self.wheels_for(cuda).all(|wheel| stamped(wheel, cuda));
        (all(true) || (!self.cuda && all(false)))
            && self.libraries.iter().all(|library| native.join(library.file()).is_file())
    }
}

/// Installs what is missing; returns immediately if nothing is.
pub fn setup(root: &Path, cuda: bool) -> Result<()> {
    let native = root.join(".native");
    let libraries: Vec<_> = LIBRARIES.into_iter().filter(|&library| !given_by_user(library, &native)).collect();
    if libraries.is_empty() {
        return Ok(());
    }
    let plan = Plan { cuda, machine: machine()?, libraries };
    if plan.is_done(&native) {
        return Ok(());
    }
    let wheels_folder = cache_folder()?.join("wheels");
    make_folder(&wheels_folder)?;
    make_folder(&native)?;
    let _one_at_a_time = lock(&wheels_folder.join("lock"))?;
    let _nor_here = lock(&native.join("lock"))?;
    if plan.is_done(&native) {
        return Ok(()); // Another set-up did it while this one waited.
    }
    let fetched = Python::find().and_then(|python| Ok((fetch(&python, &plan, &wheels_folder)?, python)));
    let (paths, python) = fetched.map_err(|reason| with_other_ways(&reason, &plan, &wheels_folder))?;
    unpack(&python, &plan, &paths, &native)?;
    eprintln!("native libraries: {}", native.display());
    Ok(())
}

/// The user's cache folder for Earmark: `EARMARK_CACHE`, else `earmark` in `XDG_CACHE_HOME` or
/// `~/.cache`.
pub fn cache_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("EARMARK_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("earmark")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/earmark")))
        .context("no place for the cache: set EARMARK_CACHE, XDG_CACHE_HOME or HOME")?;
    std::path::absolute(&folder).with_context(|| format!("no path: {}", folder.display()))
}

/// Whether the user has set a variable to a library outside of `.native/` (`.cargo/config.toml`
/// sets those inside).
fn given_by_user(library: Library, native: &Path) -> bool {
    std::env::var_os(library.variable())
        .is_some_and(|value| !value.is_empty() && !Path::new(&value).starts_with(native))
}

/// The column of the digests, and the name of this machine in wheels.
fn machine() -> Result<(usize, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok((0, "x86_64")),
        ("linux", "aarch64") => Ok((1, "aarch64")),
        (os, architecture) => {
            let ways = LIBRARIES.map(variable_line).join("\n");
            bail!("set-up knows Linux on x86-64 and AArch64, not {os} on {architecture}; there, set\n{ways}")
        }
    }
}

fn variable_line(library: Library) -> String {
    format!("  {} to {}", library.variable(), library.meaning())
}

/// The reason why the setup failed, and how to provide the libraries without Python or without a
/// network.
fn with_other_ways(reason: &anyhow::Error, plan: &Plan, wheels_folder: &Path) -> anyhow::Error {
    let files: Vec<_> = plan
        .wheels()
        .map(|wheel| format!("  {} {}  SHA-256 {}", wheel.name, wheel.version, plan.sha256(wheel)))
        .collect();
    let variables: Vec<_> = plan.libraries.iter().map(|&library| variable_line(library)).collect();
    anyhow!(
        "{reason:#}\n\n\
         The native libraries can be provided in other ways, too:\n\
         - Put these wheels (for Linux, {}) into {}\n{}\n  \
           A machine of this kind that has Python, pip and a network gets each by\n  \
           python3 -m pip download --no-deps --python-version 3.11 --only-binary=:all: NAME==VERSION\n\
         - Or set variables for libraries that are here already:\n{}",
        plan.machine.1,
        wheels_folder.display(),
        files.join("\n"),
        variables.join("\n")
    )
}

/// Locks a file until it is dropped; waits while another process has locked it.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another set-up to end ({})", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// The paths of the verified wheels, in the order of the plan.
fn fetch(python: &Python, plan: &Plan, wheels_folder: &Path) -> Result<Vec<String>> {
    let wheels: Vec<_> = plan
        .wheels()
        .map(|wheel| json!({"name": wheel.name, "version": wheel.version, "sha256": plan.sha256(wheel)}))
        .collect();
    let wanted = json!({"cache": wheels_folder, "machine": plan.machine.1, "wheels": wheels}).to_string();
    let printed = python.run(include_str!("fetch.py"), &[&wanted])?;
    let paths: Vec<Option<String>> = serde_json::from_str(&printed).context("fetch.py printed no list of paths")?;
    let missing: Vec<_> =
        plan.wheels().zip(&paths).filter(|(_, path)| path.is_none()).map(|(wheel, _)| wheel.name).collect();
    if !missing.is_empty() {
        bail!("could not fetch {} (the reasons are above)", missing.join(", "));
    }
    Ok(paths.into_iter().flatten().collect())
}

/// Unpacks into a temporary folder, then moves each folder to its place, and writes the stamp last.
fn unpack(python: &Python, plan: &Plan, paths: &[String], native: &Path) -> Result<()> {
    eprintln!("unpacking {} wheels", paths.len());
    let fresh = native.join("unpacking");
    remove(&fresh)?;
    make_folder(&fresh)?;
    let entries: Vec<_> =
        plan.wheels().zip(paths).map(|(wheel, path)| json!({"path": path, "keep": wheel.keep(plan.cuda)})).collect();
    let folder = fresh.to_str().with_context(|| format!("{} is no Unicode path", fresh.display()))?;
    python.run(include_str!("unpack.py"), &[folder, &json!(entries).to_string()])?;
    make_links(&fresh, plan)?;

    remove(&native.join(STAMP))?;
    for entry in fs::read_dir(&fresh)? {
        let entry = entry?;
        let place = native.join(entry.file_name());
        remove(&place)?;
        fs::rename(entry.path(), &place).with_context(|| format!("cannot write {}", place.display()))?;
    }
    remove(&fresh)?;
    let lines: Vec<_> = plan.wheels().map(|wheel| plan.line(wheel, plan.cuda) + "\n").collect();
    fs::write(native.join(STAMP), lines.concat()).context("cannot write the stamp")
}

/// Creates `lib/`, where code finds the libraries under names without a version.
///
/// `lib` is itself a link, to a folder one level deeper: the dynamic loader derives a library's
/// `$ORIGIN` from the path by which it was opened, and libxgboost looks for its libgomp in
/// `$ORIGIN/../../xgboost_cpu.libs` (with CUDA, `xgboost.libs`). Through `links/lib/..` that path
/// leads back to `.native/`, as it does from the library's own folder.
fn make_links(folder: &Path, plan: &Plan) -> Result<()> {
    let links = folder.join("links/lib");
    make_folder(&links)?;
    for library in &plan.libraries {
        if let Some(name) = library.link() {
            link(&Path::new("../..").join(library.file()), &links.join(name))?;
        }
    }
    link(Path::new("links/lib"), &folder.join("lib"))
}

/// Removes a file, a link or a whole folder; one that is not there is fine.
fn remove(path: &Path) -> Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match gone {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
