//! The executable `earmark`. It needs neither libtorch nor XGBoost, so that it starts at once;
//! commands that need them are those of `earmark-train` beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    earmark_cli::main(|arguments| match arguments.command.is_of_training() {
        true => earmark_cli::launch::earmark_train(),
        false => earmark_cli::commands::run(arguments.command).map(|()| ExitCode::SUCCESS),
    })
}
