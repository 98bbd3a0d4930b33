//! Headless Chromium.

use std::path::Path;
use std::process::{Child, Command};

/// Chromium without windows, its own services and a sandbox, which root cannot have.
const OPTIONS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The command that starts Chromium, with its data in the folder `profile`.
pub fn command(chromium: &Path, profile: &Path) -> Command {
    let mut command = Command::new(chromium);
    command.args(OPTIONS).arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// A browser; it is killed on drop.
pub struct Browser(pub Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
