use std::path::PathBuf;

/// What went wrong at level 2, and in which file, line, column or setting.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] earmark_files::FileError),
    /// A CSV file is not a table of numbers.
    #[error("{}, line {line}: {reason}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Counted from 1, the header included.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Values do not make a table, or tables do not fit each other.
    #[error("{0}")]
    Table(String),
    /// A setting has a value that makes no sense.
    #[error("setting `{key}` is {value}: it must be {allowed}")]
    Setting {
        /// The setting's name in the recipe.
        key: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// Trees cannot learn a class that none of their rows has.
    #[error("no clip of class `{class}` is left to learn from{}", .fold.map(|fold| format!(" when fold {fold} is held out")).unwrap_or_default())]
    ClassWithoutRows {
        /// The class.
        class: String,
        /// The fold held out; none when all rows are used.
        fold: Option<usize>,
    },
    /// XGBoost's library is not there or is not the right one.
    #[error(
        "cannot load the XGBoost library: {reason}\nfetch it by `cargo xtask setup`, or name one by the variable EARMARK_XGBOOST_LIB"
    )]
    Library {
        /// Each path that was tried and what the system said of it.
        reason: String,
    },
    /// XGBoost refused; its own message.
    #[error("XGBoost cannot {action}: {message}")]
    Xgboost {
        /// What was tried, a verb: "learn", "predict".
        action: &'static str,
        /// XGBoost's message.
        message: String,
    },
    /// The JSON of a booster is damaged, or of a kind that level 2 does not make.
    #[error("the booster's JSON {0}")]
    Booster(String),
}

/// Shorthand for results of this crate.
pub type Result<T, E = StackError> = std::result::Result<T, E>;
