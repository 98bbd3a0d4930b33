//! Tables: CSV files with line numbers, and tables formatted as text for people.

mod csv_file;
mod text;

pub use csv::StringRecord;

pub use csv_file::{CsvError, CsvFault, CsvFile};
pub use text::{counted, printable, size, text_table};
