//! The nearest rows by cosine, exactly.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::thread;

use crate::error::EmbeddingsError;
use crate::table::Embeddings;

/// Values that are summed in parallel: enough for the vector units, so that the time is that of
/// reading the memory.
const LANES: usize = 16;

/// The cosine of the angle between a query, `[size]`, and each row, `[rows]`, -1 to 1; computed by
/// `threads` threads (0: one per core). A row of zeros has no direction; its cosine is 0, as in
/// scikit-learn.
///
/// # Errors
/// A query of another size, or without a direction.
pub fn cosines(table: &Embeddings, query: &[f32], threads: usize) -> Result<Vec<f64>, EmbeddingsError> {
    let size = table.size();
    if query.len() != size {
        return Err(EmbeddingsError::QuerySize { found: query.len(), expected: size });
    }
    let length = products(query, query).0.sqrt();
    if !(length.is_finite() && length > 0.0) {
        return Err(EmbeddingsError::NoDirection);
    }
    let cosine = |row: &[f32]| match products(row, query) {
        (0.0, _) => 0.0,
        (square, product) => (product / (square.sqrt() * length)).clamp(-1.0, 1.0),
    };
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores() } else { threads };
    let share = table.rows().len().div_ceil(threads).max(1);
    let mut cosines = vec![0.0; table.rows().len()];
    thread::scope(|scope| {
        for (values, cosines) in table.values().chunks(share * size).zip(cosines.chunks_mut(share)) {
            scope.spawn(move || {
                let of_rows = values.chunks_exact(size).map(cosine);
                cosines.iter_mut().zip(of_rows).for_each(|(place, value)| *place = value);
            });
        }
    });
    Ok(cosines)
}

/// The sum of the squares of `row`, and of its products with `query`, in 64 bits.
fn products(row: &[f32], query: &[f32]) -> (f64, f64) {
    let (mut squares, mut products) = ([0.0; LANES], [0.0; LANES]);
    let (rows, queries) = (row.chunks_exact(LANES), query.chunks_exact(LANES));
    let rest = rows.remainder().iter().zip(queries.remainder());
    let rest = rest.fold((0.0, 0.0), |(square, product), (&a, &b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        (square + a * a, product + a * b)
    });
    for (row, query) in rows.zip(queries) {
        for lane in 0..LANES {
            let (a, b) = (f64::from(row[lane]), f64::from(query[lane]));
            squares[lane] += a * a;
            products[lane] += a * b;
        }
    }
    (rest.0 + squares.iter().sum::<f64>(), rest.1 + products.iter().sum::<f64>())
}

/// The indices of rows, the greatest cosine first; of equal ones the first row first. Finding the
/// first few is cheap: the rest is not sorted.
pub fn ranked(cosines: &[f64]) -> impl Iterator<Item = usize> {
    let candidate = |(row, &cosine): (usize, &f64)| Candidate { cosine, row };
    let mut heap: BinaryHeap<Candidate> = cosines.iter().enumerate().map(candidate).collect::<Vec<_>>().into();
    std::iter::from_fn(move || heap.pop().map(|candidate| candidate.row))
}

/// Of ranked rows, the first one of each path.
pub fn best_of_each_path(table: &Embeddings, ranked: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    let mut seen = HashSet::new();
    ranked.filter(move |&row| seen.insert(table.rows()[row].path.as_str()))
}

/// A row of the heap.
struct Candidate {
    cosine: f64,
    row: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cosine.total_cmp(&other.cosine).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}
