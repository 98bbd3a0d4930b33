//! The executable `earmark`. It needs neither libtorch nor XGBoost, so it starts quickly. For
//! commands that need them, it runs `earmark-train` from the same folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    earmark_cli::main(|arguments| match arguments.command.is_of_training() {
        true => earmark_cli::launch::earmark_train(),
        false => earmark_cli::commands::run(arguments.command).map(|()| ExitCode::SUCCESS),
    })
}
