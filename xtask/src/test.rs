//! `cargo xtask test`: runs all checks in order and stops at the first failure.

use std::path::Path;

use anyhow::Result;

use crate::deny::deny;
use crate::golden;
use crate::runtimes;
use crate::setup::setup;
use crate::steps::{Steps, cargo, target_folder};
use crate::tidy::tidy;

pub fn test(root: &Path) -> Result<()> {
    let mut steps = Steps::new(root);
    steps.step("setup", || setup(root, false))?;
    steps.run(&mut cargo(root, "fmt --all --check"))?;
    steps.step("tidy", || tidy(root))?;
    steps.run(&mut cargo(root, "clippy --release --workspace --all-targets --locked -- -D warnings"))?;
    steps.run(&mut cargo(root, "clippy --release -p earmark --no-default-features --locked -- -D warnings"))?;
    steps.run(cargo(root, "doc --release --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings"))?;

    // The tag-only binary gets its own target folder: in the common one it would replace the full
    // binary.
    let tag_only = target_folder(root)?.join("tag-only");
    steps.run(
        cargo(root, "build --release -p earmark --no-default-features --locked --target-dir").arg(tag_only.as_os_str()),
    )?;
    let binary = tag_only.join("release").join(format!("earmark{}", std::env::consts::EXE_SUFFIX));
    let mut tests = cargo(root, "test --release --workspace --no-fail-fast --locked");
    tests.env("EARMARK_TAG_ONLY_BIN", binary);
    match golden::for_tests(root) {
        Ok(python) => {
            tests.env("EARMARK_PYTHON", python);
        }
        // In CI the test that needs Python fails; elsewhere it is skipped with a message.
        Err(error) => eprintln!("no Python with NumPy, ONNX, ONNX Runtime and soxr for the tests: {error:#}"),
    }
    tests.envs(runtimes::for_tests(root));
    steps.run(&mut tests)?;
    steps.run(&mut cargo(root, "run --release -p earmark-pipeline --example train_and_tag --locked"))?;

    steps.step("deny", || deny(root))?;
    eprintln!("== every check passed\n{}", steps.summary());
    Ok(())
}
