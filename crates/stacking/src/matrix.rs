use crate::{Result, StackError, Table};

/// Features of clips, row-major, `columns` numbers a clip; not-a-number where one is missing.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    columns: usize,
}

impl<'a> Matrix<'a> {
    /// Takes `data` for rows of `columns` numbers.
    ///
    /// # Shape
    /// `data`: `[rows, columns]`.
    ///
    /// # Errors
    /// No column, or `data` is not whole rows, or holds an infinite number.
    pub fn new(data: &'a [f32], columns: usize) -> Result<Matrix<'a>> {
        if columns == 0 || !data.len().is_multiple_of(columns) {
            let reason = format!("{} values are not whole rows of {columns} columns", data.len());
            return Err(StackError::Table(reason));
        }
        if data.iter().any(|value| value.is_infinite()) {
            return Err(StackError::Table("a feature is infinite".to_owned()));
        }
        Ok(Matrix { data, columns })
    }

    /// All numbers, row-major.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.data.len() / self.columns
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

impl<'a> From<&'a Table> for Matrix<'a> {
    fn from(table: &'a Table) -> Matrix<'a> {
        Matrix { data: table.data(), columns: table.columns().len() }
    }
}
