//! Names in tables, options and files that are not names of learners.

use earmark_stacking::STATISTICS;

/// Level 2.
pub const STACK: &str = "stack";
/// The arithmetic mean of all learners' probabilities.
pub const ARITHMETIC: &str = "arithmetic mean";
/// The geometric mean of all learners' probabilities.
pub const GEOMETRIC: &str = "geometric mean";
/// The row of `level2/ablation.csv` that omits no learner.
pub const ALL_LEARNERS: &str = "-";

/// Names that a learner cannot have, and what each one stands for.
pub(crate) const RESERVED: [(&str, &str); 3] = [
    (STATISTICS, "the MFCC statistics"),
    (STACK, "level 2"),
    (ALL_LEARNERS, "the stack of all learners in level2/ablation.csv"),
];
