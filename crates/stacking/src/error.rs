use std::path::PathBuf;

/// An error of level 2, with its file, line, column or setting.
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
        /// Counted from 1, including the header.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A number of values, columns, classes or labels that does not fit the others.
    #[error("{0}")]
    Shape(String),
    /// Tables that belong together but have different clips, columns or classes.
    #[error("{0}")]
    Mismatch(String),
    /// A table, clip, column or value that is needed and missing.
    #[error("{0}")]
    Missing(String),
    /// Two clips or columns of the same name.
    #[error("duplicate {what} `{name}`")]
    Duplicate {
        /// `clip` or `column`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A number that is infinite or NaN.
    #[error("{0}")]
    NotFinite(
        /// Where it is, and its value.
        String,
    ),
    /// A label or weight that no clip can have.
    #[error("{0}")]
    Clip(String),
    /// An event that starts before 0, ends before it starts, or ends too late.
    #[error(
        "an event of the label `{label}` from {onset} to {offset} s: it must start at 0 or later, not end before that, \
         and end by 1,000,000,000 s"
    )]
    Event {
        /// The label.
        label: String,
        /// Seconds.
        onset: f64,
        /// Seconds.
        offset: f64,
    },
    /// Too few folds or classes to fit level 2.
    #[error("{0}")]
    TooFew(String),
    /// A setting is out of range.
    #[error("setting `{key}` is {value}: it must be {allowed}")]
    Setting {
        /// The setting's name in the recipe.
        key: &'static str,
        /// The given value.
        value: String,
        /// The allowed values.
        allowed: &'static str,
    },
    /// A model cannot be fitted because a class has no rows.
    #[error("no clip of class `{class}` is left to train on{}", held_out(folds))]
    ClassWithoutRows {
        /// The class.
        class: String,
        /// The folds held out; empty when all rows are used.
        folds: Vec<usize>,
    },
    /// Logistic regression did not converge.
    #[error("logistic regression did not converge in {steps} steps: use a smaller `c` than {c}")]
    NoEnd {
        /// The maximum number of steps.
        steps: usize,
        /// The value of the setting.
        c: f64,
    },
    /// XGBoost's library is missing or has the wrong version.
    #[error(
        "cannot load the XGBoost library: {reason}\nfetch it by `cargo xtask setup`, or name one by the variable \
         EARMARK_XGBOOST_LIB"
    )]
    Library {
        /// Each path that was tried, and the system's error.
        reason: String,
    },
    /// XGBoost failed.
    #[error("XGBoost cannot {action}: {message}")]
    Xgboost {
        /// The failed action, a verb: "learn", "predict".
        action: &'static str,
        /// XGBoost's message.
        message: String,
    },
    /// The JSON of a booster is damaged, or of a kind that level 2 does not create.
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
