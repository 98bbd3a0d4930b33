//! A table as Parquet: the columns path, start, end and embedding (a list of floats), and the model
//! in the key-value metadata.
//!
//! It is written uncompressed and plainly encoded, so any program can read it. What is read is what
//! pyarrow and pandas write by default: pages of version 1, plain or by dictionary, uncompressed or
//! by Snappy. docs/decisions/0002-dependencies.md has the reason why this is not the crate
//! `parquet`.
//!
//! Source: the specification, <https://github.com/apache/parquet-format>.

mod column;
mod format;
mod levels;
mod metadata;
mod page;
mod read;
mod thrift;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;
