//! Tables: as text for people.

mod text;

pub use text::text_table;
