//! Streaming moments of many columns at once.

/// A column that varies by less is considered constant: the distribution of rounding errors is
/// meaningless.
const CONSTANT: f64 = 1e-5;

/// Extremes and central moments of each column, by Pébay's (2008) one-pass updates, which are as
/// stable as two passes.
pub(crate) struct Moments {
    rows: f64,
    columns: Vec<Column>,
}

#[derive(Clone, Copy)]
struct Column {
    maximum: f64,
    minimum: f64,
    mean: f64,
    /// Sums of the second, third and fourth powers of the deviations from the mean.
    sums: [f64; 3],
}

impl Moments {
    pub(crate) fn new(columns: usize) -> Self {
        let (maximum, minimum) = (f64::NEG_INFINITY, f64::INFINITY);
        Moments { rows: 0.0, columns: vec![Column { maximum, minimum, mean: 0.0, sums: [0.0; 3] }; columns] }
    }

    /// Adds one row: `[columns]`.
    pub(crate) fn add(&mut self, row: &[f64]) {
        let before = self.rows;
        self.rows += 1.0;
        let n = self.rows;
        let fourth = (n * n - 3.0 * n + 3.0) / (n * n);
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.maximum = column.maximum.max(*value);
            column.minimum = column.minimum.min(*value);
            let distance = value - column.mean;
            let step = distance / n;
            let square = distance * step * before;
            let [second, third, _] = column.sums;
            column.mean += step;
            column.sums[2] += square * distance * distance * fourth + 6.0 * step * step * second - 4.0 * step * third;
            column.sums[1] += square * step * (n - 2.0) - 3.0 * step * second;
            column.sums[0] += square;
        }
    }

    /// The statistics of a column, after all rows were added.
    pub(crate) fn column(&self, column: usize) -> Described {
        let Column { maximum, minimum, mean, sums } = self.columns[column];
        let [second, third, fourth] = sums.map(|sum| sum / self.rows);
        let constant = maximum - minimum < CONSTANT;
        let shape = |moment: f64, power: f64| if constant { 0.0 } else { moment / second.powf(power) };
        let excess = if constant { 0.0 } else { shape(fourth, 2.0) - 3.0 };
        Described { maximum, minimum, mean, variance: second, skewness: shape(third, 1.5), kurtosis: excess }
    }
}

/// The statistics of a column; variance, skewness and kurtosis are those of the population.
pub(crate) struct Described {
    pub(crate) maximum: f64,
    pub(crate) minimum: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) skewness: f64,
    /// Excess kurtosis, relative to the normal distribution.
    pub(crate) kurtosis: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_gives_what_two_passes_give() {
        let rows: Vec<[f64; 2]> = (0..500).map(f64::from).map(|n| [1e6 + (0.37 * n).sin().exp(), n * n]).collect();
        let mut moments = Moments::new(2);
        rows.iter().for_each(|row| moments.add(row));
        for column in 0..2 {
            let values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
            let mean = values.iter().sum::<f64>() / 500.0;
            let moment = |power: i32| values.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / 500.0;
            let is = moments.column(column);
            let expected = [moment(2), moment(3) / moment(2).powf(1.5), moment(4) / moment(2).powi(2) - 3.0];
            for (is, expected) in [is.variance, is.skewness, is.kurtosis].into_iter().zip(expected) {
                assert!((is - expected).abs() < 1e-8 * expected.abs().max(1.0), "{column}: {is}, not {expected}");
            }
            assert!((is.mean - mean).abs() < 1e-9 * mean.abs());
        }
    }
}
