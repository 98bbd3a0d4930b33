//! Tables of embeddings: a row for each clip, or for each window of a clip.
//!
//! An [`Embeddings`] table is written to and read from NumPy's format or Parquet, by the extension
//! of the file. [`cosines`] and [`ranked`] find the rows whose direction is nearest to that of a
//! query. Files are not trusted: they are read within limits, and anything damaged is an error.
//!
//! ```
//! use earmark_embeddings::{Embeddings, Row, cosines, ranked};
//! let mut table = Embeddings::new(2, None);
//! for (path, values) in [("a.wav", [1.0, 0.0]), ("b.wav", [0.0, 3.0])] {
//!     table.push(Row { path: path.to_owned(), start: 0.0, end: 5.0 }, &values)?;
//! }
//! let found = ranked(&cosines(&table, &[0.1, 1.0], 1)?).next();
//! assert_eq!(found, Some(1));
//! # Ok::<(), earmark_embeddings::EmbeddingsError>(())
//! ```

mod error;
mod file;
mod nearest;
mod npy;
mod open;
mod parquet;
mod table;

pub use error::{EmbeddingsError, Fault};
pub use nearest::{best_of_each_path, cosines, ranked};
pub use table::{Embeddings, ModelId, Row};
