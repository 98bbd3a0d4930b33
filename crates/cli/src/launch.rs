//! Starts the executable that trains, as cargo starts its subcommands.

use std::process::{Command, ExitCode};

use anyhow::Context;

const NAME: &str = "earmark-train";
/// Settings of libtorch's libraries, unless the user has others: oneDNN's bf16 kernels for AMX are
/// wrong (docs/decisions/0004-bf16-gradients.md); cuBLAS is deterministic with a fixed workspace.
const SETTINGS: [(&str, &str); 2] =
    [("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16"), ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")];

/// Runs the `earmark-train` next to this executable with the arguments of this process. On Unix it
/// replaces this process, so that signals reach it.
///
/// # Errors
/// The executable is missing or cannot be started.
pub fn earmark_train() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let path = program.with_file_name(format!("{NAME}{}", std::env::consts::EXE_SUFFIX));
    anyhow::ensure!(
        path.exists(),
        "this command needs {}, which is not installed: this install of Earmark only tags; \
         `cargo build --release` in Earmark's repository builds both",
        path.display()
    );
    // An empty or damaged file would be run as a shell script.
    let is_program = !cfg!(target_os = "linux") || earmark_files::starts_with(&path, b"\x7fELF")?;
    anyhow::ensure!(is_program, "{} is damaged: it is not a program; install it again", path.display());
    let mut command = Command::new(&path);
    command.args(std::env::args_os().skip(1));
    for (name, value) in SETTINGS.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
        command.env(name, value);
    }
    start(command).with_context(|| format!("cannot start {}", path.display()))
}

#[cfg(unix)]
fn start(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn start(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
