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
    #[error("no clip of class `{class}` is left to train on{}", held_out(folds))]
    ClassWithoutRows {
        /// The class.
        class: String,
        /// The folds held out; none when all rows are used.
        folds: Vec<usize>,
    },
    /// Logistic regression did not come to rest.
    #[error("logistic regression did not converge in {steps} steps: use a smaller `c` than {c}")]
    NoEnd {
        /// How many steps it was given.
        steps: usize,
        /// The setting.
        c: f64,
    },
    /// XGBoost's library is not there or is not the right one.
    #[error(
        "cannot load the XGBoost library: {reason}\nfetch it by `cargo xtask setup`, or name one by the variable \
         EARMARK_XGBOOST_LIB"
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

fn held_out(folds: &[usize]) -> String {
    match folds {
        [] => String::new(),
        [fold] => format!(" when fold {fold} is held out"),
        folds => {
            let folds: Vec<String> = folds.iter().map(ToString::to_string).collect();
            format!(" when the folds {} are held out", folds.join(" and "))
        }
    }
}

/// Shorthand for results of this crate.
pub type Result<T, E = StackError> = std::result::Result<T, E>;
