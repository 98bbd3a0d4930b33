//! Tables: CSV files that know their lines, and tables as text for people.

mod csv_file;
mod text;

pub use csv::StringRecord;

pub use csv_file::{CsvError, CsvFault, CsvFile};
pub use text::text_table;
