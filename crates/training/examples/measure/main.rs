//! Measures networks on a device, and prints one JSON object per network.
//!
//! ```text
//! cargo run --release -p earmark-training --example measure -- versions DEVICE
//! ... measure -- compare DEVICE [--batch 8] NAME...      differences from the CPU in 64 bits
//! ... measure -- speed DEVICE [--batch 128, on a CPU 32] [--steps 24] [--rounds 3] [--threads N] NAME...
//! ... measure -- memory DEVICE [--batch 12288] NAME      the advice when memory is used up
//! ```
//!
//! `nano` names all nano sizes, and so does no name. `cargo xtask gpu-check` runs all of this;
//! `peer.py` in this folder measures the same networks in PyTorch.

#[path = "../../tests/common/mod.rs"]
mod common;
mod compare;
mod memory;
mod noise;
mod speed;

use std::error::Error;
use std::process::ExitCode;

use earmark_nets::{Variant, variants};
use earmark_training::{GpuSettings, check_device, configure};
use serde_json::Value;

/// The classes of FSDKaggle2018.
const CLASSES: usize = 41;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the words of the command line choose.
struct Options {
    device: String,
    batch: Option<usize>,
    /// Steps of a round.
    steps: usize,
    rounds: usize,
    threads: usize,
    networks: Vec<&'static Variant>,
}

impl Options {
    fn of(words: &[String]) -> Result<Self> {
        let device = words.first().ok_or("which device?")?.clone();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { device, batch: None, steps: 24, rounds: 3, threads: cores, networks: Vec::new() };
        let mut words = words[1..].iter();
        while let Some(word) = words.next() {
            let mut number = || -> Result<usize> {
                let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
                Ok(value.parse().map_err(|_| format!("{word} {value}: not a number"))?)
            };
            match word.as_str() {
                "--batch" => options.batch = Some(number()?.max(2)),
                "--steps" => options.steps = number()?.max(2),
                "--rounds" => options.rounds = number()?.max(1),
                "--threads" => options.threads = number()?,
                option if option.starts_with("--") => return Err(format!("no option is {option}").into()),
                "nano" => options.networks.extend(nano()),
                name => options.networks.push(
                    variants().find(|variant| variant.name == name).ok_or_else(|| format!("no network is {name}"))?,
                ),
            }
        }
        if options.networks.is_empty() {
            options.networks.extend(nano());
        }
        Ok(options)
    }
}

/// The smallest network of each family.
fn nano() -> impl Iterator<Item = &'static Variant> {
    variants().filter(|variant| variant.name.ends_with("_nano"))
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (command, words) = words.split_first().ok_or("which measurement: versions, compare, speed or memory?")?;
    let options = Options::of(words)?;
    earmark_training::set_threads(options.threads);
    // Before anything is computed on the CPU: libtorch looks for its CUDA part only once.
    check_device(&options.device)?;
    // As `earmark train` does. A comparison needs other settings, and chooses them itself.
    configure(GpuSettings::default())?;
    let measure: fn(&Variant, &Options) -> Result<Value> = match command.as_str() {
        "versions" => {
            println!("{}", serde_json::to_value(earmark_training::versions(&options.device)?)?);
            return Ok(());
        }
        "compare" => compare::compare,
        "speed" => speed::speed,
        "memory" => memory::memory,
        _ => return Err(format!("there is no measurement {command}: versions, compare, speed or memory?").into()),
    };
    for variant in &options.networks {
        println!("{}", measure(variant, &options)?);
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
