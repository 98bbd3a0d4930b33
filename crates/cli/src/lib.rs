//! The command line of Earmark: arguments and output. The executables `earmark` and `earmark-train`
//! share it.

pub mod args;
pub mod commands;
pub mod launch;
pub mod logging;
pub mod output;

use std::process::ExitCode;

use args::Arguments;

/// Parses the command line, runs a command, and reports its error. The exit code is 0 for success,
/// 1 for a failure, 2 for wrong usage, or the one that `run` returns.
pub fn main(run: impl FnOnce(Arguments) -> anyhow::Result<ExitCode>) -> ExitCode {
    without_telemetry();
    quiet_decoders();
    let arguments = args::parse();
    logging::start(&arguments.global);
    output::start(arguments.global.color);
    let done = run(arguments);
    match (&done, done.as_ref().err().and_then(|error| error.downcast_ref())) {
        (Ok(code), _) => *code,
        // The reader of the pipe has closed it.
        (_, Some(output::Exit::ClosedStdout)) => ExitCode::SUCCESS,
        (Err(error), wrong_usage) => {
            output::error(&output::message(error));
            if wrong_usage.is_some() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// ONNX Runtime collects usage data: when it is loaded, it writes files about the machine to the
/// user's cache folder, and looks up the address to send them to, before its interface can forbid
/// it. It reads this variable first.
#[allow(unsafe_code, reason = "nothing else runs yet")]
fn without_telemetry() {
    // SAFETY: the process has one thread so far.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// Some broken files make the decoding library panic. `earmark-audio` catches the panic and returns
/// an error for the file; the panic's own message would only confuse users.
fn quiet_decoders() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_decoder = panic.location().is_some_and(|place| place.file().contains("symphonia"));
        if !of_decoder {
            usual(panic);
        }
    }));
}
