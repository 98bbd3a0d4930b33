//! The Python whose PyTorch is the peer, and whose libraries the programs use.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Prints the version and the folder of the libraries. The peer needs timm and torchvision.
const SCRIPT: &str = "\
import json, os, torch
peer = None
try:
    import timm, torchvision
except Exception as error:
    peer = f'{type(error).__name__}: {error}'
lib = os.path.join(os.path.dirname(torch.__file__), 'lib')
print(json.dumps({'torch': torch.__version__, 'lib': lib, 'peer': peer}))";

/// What a Python has.
pub struct Python {
    pub program: OsString,
    /// The folder of PyTorch's libraries.
    pub libraries: Option<PathBuf>,
    pub torch: Option<String>,
    /// Why it cannot run the peer.
    pub fault: Option<String>,
}

impl Python {
    /// The one that EARMARK_PYTHON names, else `python3`.
    pub fn find() -> Self {
        let chosen = std::env::var_os("EARMARK_PYTHON").filter(|value| !value.is_empty());
        let program = chosen.unwrap_or_else(|| "python3".into());
        let mut python = Self { program, libraries: None, torch: None, fault: None };
        match python.ask() {
            Ok(answer) => {
                python.libraries = answer["lib"].as_str().map(PathBuf::from);
                python.torch = answer["torch"].as_str().map(str::to_owned);
                python.fault = answer["peer"].as_str().map(str::to_owned);
            }
            Err(reason) => python.fault = Some(reason),
        }
        python
    }

    fn ask(&self) -> Result<Value, String> {
        let name = self.program.display();
        let output = Command::new(&self.program).arg("-c").arg(SCRIPT).output();
        let output = output.map_err(|error| format!("{name}: {error}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name}: {}", stderr.lines().last().unwrap_or("no PyTorch")));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{name}: {error}"))
    }
}
