use crate::{Result, StackError, Table};

/// Features of clips, row-major, with `columns` numbers per clip; NaN for missing values.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    columns: usize,
}

impl<'a> Matrix<'a> {
    /// Interprets `data` as rows of `columns` numbers.
    ///
    /// # Shape
    /// `data`: `[rows, columns]`.
    ///
    /// # Errors
    /// No columns, or `data` is not a whole number of rows or contains an infinite number.
    pub fn new(data: &'a [f32], columns: usize) -> Result<Matrix<'a>> {
        if columns == 0 || !data.len().is_multiple_of(columns) {
            let reason = format!("{} values are not whole rows of {columns} columns", data.len());
            return Err(StackError::Shape(reason));
        }
        if data.iter().any(|value| value.is_infinite()) {
            return Err(StackError::NotFinite("a feature is infinite".to_owned()));
        }
        Ok(Matrix { data, columns })
    }

    /// All numbers, row-major.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.len() / self.columns
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

impl<'a> From<&'a Table> for Matrix<'a> {
    fn from(table: &'a Table) -> Matrix<'a> {
        Matrix { data: table.data(), columns: table.columns().len() }
    }
}
