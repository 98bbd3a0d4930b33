//! Arguments of bundles.

use clap::Subcommand;

/// `earmark bundle`.
#[derive(Debug, Subcommand)]
pub enum Bundle {
    /// Check a bundle as completely as possible, and tag a second of noise with it
    ///
    /// Everything is checked before anything runs: that every file is inside the folder and has its
    /// checksum, that the format is known and every number in range, and that the ONNX files
    /// contain all of their weights and only ONNX's own operators. Then ONNX Runtime loads each
    /// model, whose inputs and outputs must be those of the description. Exit code 1 if anything is
    /// wrong.
    Verify {
        /// The folder of a bundle, such as RUN/bundle, or the name of an installed model
        #[arg(value_name = "BUNDLE|NAME")]
        bundle: String,
    },
    /// Print what is in a bundle: classes, learners, embeddings, level 2, sizes, licences
    Info {
        /// The folder of a bundle, such as RUN/bundle, or the name of an installed model
        #[arg(value_name = "BUNDLE|NAME")]
        bundle: String,
        /// One JSON value on stdout, also with the names of the classes and all settings
        #[arg(long)]
        json: bool,
    },
}
