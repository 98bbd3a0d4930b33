//! The clips that a job trains on and predicts.

use std::fmt;
use std::str::FromStr;

/// A split of a data set, identified by the clips that its job predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Predicts the clips of one fold, counted from 0, and trains on those of all others.
    Fold(usize),
    /// Trains on all training clips and predicts the test clips.
    Full,
}

/// The name of [`Split::Full`].
const FULL: &str = "full";

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fold(fold) => write!(f, "fold{fold}"),
            Self::Full => f.write_str(FULL),
        }
    }
}

/// The text is not the name of a split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a split; splits are fold0, fold1, ... and full")]
pub struct UnknownSplit(String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(text: &str) -> Result<Self, UnknownSplit> {
        let split = match text.strip_prefix("fold").map(str::parse) {
            Some(Ok(fold)) => Self::Fold(fold),
            _ => Self::Full,
        };
        // A split has only one name: `fold01` and `fold+1` are invalid.
        if split.to_string() == text { Ok(split) } else { Err(UnknownSplit(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_has_one_name() {
        for split in [Split::Fold(0), Split::Fold(11), Split::Full] {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        for text in ["", "fold", "fold-1", "fold+1", "fold01", "fold 1", "Full", "full "] {
            assert_eq!(text.parse::<Split>(), Err(UnknownSplit(text.to_owned())));
        }
    }
}
