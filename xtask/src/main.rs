//! The project's development tasks: `cargo xtask COMMAND`.

mod challenge;
mod deb;
mod deny;
mod dist;
mod golden;
mod gpu_check;
mod python;
mod quickstart;
mod runtimes;
mod setup;
mod steps;
mod test;
mod tidy;
mod wheels;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  setup [--cuda]   fetch the native libraries (libtorch, XGBoost, ONNX Runtime) into .native/; --cuda: those for GPUs
  quickstart       set up, build, make the embedded data set, train, stack, judge, tag a clip
  dcase2018        the paper's system on its data set: set up, build, download, train, submission, score; takes
                   --recipe, --data (a folder with the data set: nothing is fetched), --out; the rest goes to
                   `earmark train`, such as --device cuda:0
  test             set up, then every check: format, tidy, clippy, documentation, tests, deny
  tidy             the rules that no compiler knows: order of the crates, size of files, docs
  deny             licences, sources, bans and advisories of the dependencies, by cargo-deny
  dist             build the releases in target/dist: archives with programs, native libraries and documents, and
                   Debian packages
  gpu-check        what one NVIDIA GPU computes, and how fast, against the CPU and PyTorch: one JSON and one table;
                   --prepare: build target/gpu-check and stop (carry it to a machine with a GPU, run gpu-check in
                   it); --cpu: the check itself, on the CPU at tiny sizes; --out DIR; --only PART,PART...
  golden           make the golden values anew, by the reference libraries in Python
  golden check     compare what needs large weights with the reference libraries
  help             this text

Variables: EARMARK_PYTHON (the Python that fetches), EARMARK_CACHE (the cache folder; else ~/.cache/earmark),
LIBTORCH, EARMARK_XGBOOST_LIB, ORT_DYLIB_PATH (libraries from elsewhere).
Exit code: 0 done, 1 failed, 2 wrong usage.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The program as a part of a folder that `gpu-check --prepare` made.
    if let Some(folder) = gpu_check::prepared_folder() {
        return exit_code(gpu_check::check(&folder, &words));
    }
    let root = root();
    let done = match words[..] {
        ["help" | "--help" | "-h"] | [_, "help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["setup"] => setup::setup(&root, false),
        ["setup", "--cuda"] => setup::setup(&root, true),
        ["quickstart"] => quickstart::quickstart(&root),
        ["dcase2018", ref words @ ..] => challenge::dcase2018(&root, words),
        ["test"] => test::test(&root),
        ["tidy"] => tidy::tidy(&root),
        ["deny"] => deny::deny(&root),
        ["dist"] => dist::dist(&root),
        ["gpu-check", ref words @ ..] => gpu_check::gpu_check(&root, words),
        ["golden"] => golden::make(&root),
        ["golden", "check"] => golden::check(&root),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    exit_code(done)
}

fn exit_code(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout: the parent folder of this crate.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map(Path::to_owned).unwrap_or_default()
}
