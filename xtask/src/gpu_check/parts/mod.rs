//! The parts of the check, one file each.

mod compare;
mod epoch;
mod memory;
mod quickstart;
mod recipe;
mod speed;
mod versions;

use anyhow::Result;

use super::context::{Check, Outcome};

pub use epoch::start_data;
pub use quickstart::DATA as QUICKSTART_DATA;
pub use speed::start_peers;

/// A part of the check.
pub struct Part {
    pub name: &'static str,
    /// What it answers, for the table.
    pub title: &'static str,
    /// Whether the check fails if the part is omitted for lack of time.
    pub is_correctness: bool,
    /// Whether nothing else may run meanwhile. The threads of a computation on all cores wait for
    /// each other: beside programs that compile, the comparison took over 90 s instead of 10 s.
    pub is_alone: bool,
    /// It is omitted if fewer seconds are left.
    pub least_seconds: u64,
    pub run: fn(&mut Check) -> Result<Outcome>,
}

/// In the order in which they run: what is right before what is fast. The memory comes after the
/// speed, because by then no other program is on the GPU.
pub const PARTS: [Part; 7] = [
    Part {
        name: "versions",
        title: "versions of the libraries",
        is_correctness: true,
        is_alone: true,
        least_seconds: 5,
        run: versions::versions,
    },
    Part {
        name: "compare",
        title: "logits and gradients against the CPU",
        is_correctness: true,
        is_alone: true,
        least_seconds: 10,
        run: compare::compare,
    },
    Part {
        name: "quickstart",
        title: "the quick start: scores against the CPU's, resumed after SIGKILL",
        is_correctness: true,
        is_alone: false,
        least_seconds: 60,
        run: quickstart::quickstart,
    },
    Part {
        name: "speed",
        title: "crops per second against PyTorch",
        is_correctness: false,
        is_alone: false,
        least_seconds: 40,
        run: speed::speed,
    },
    Part {
        name: "memory",
        title: "the advice when memory is used up",
        is_correctness: true,
        is_alone: false,
        least_seconds: 15,
        run: memory::memory,
    },
    Part {
        name: "dcase2018",
        title: "what the paper's recipe would take",
        is_correctness: false,
        is_alone: false,
        least_seconds: 40,
        run: recipe::dcase2018,
    },
    Part {
        name: "epoch",
        title: "a real training: how busy the device is",
        is_correctness: false,
        is_alone: false,
        least_seconds: 30,
        run: epoch::epoch,
    },
];
