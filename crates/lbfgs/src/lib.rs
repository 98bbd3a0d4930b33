//! Minimizes a convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm
//! 7.5).

use std::collections::VecDeque;

/// Number of steps from which the curvature is estimated.
const MEMORY: usize = 10;

/// A past step, and the change of the gradient.
struct Step {
    moved: Vec<f64>,
    change: Vec<f64>,
    /// Their dot product, above 0.
    curvature: f64,
}

/// Minimizes `function` from `x` until no entry of the gradient is larger than `tolerance`.
/// `function` writes its gradient and returns its value. `None` if it does not converge within
/// `steps`.
///
/// ```
/// // (x - 3)^2
/// let function = |x: &[f64], gradient: &mut [f64]| {
///     gradient[0] = 2.0 * (x[0] - 3.0);
///     (x[0] - 3.0) * (x[0] - 3.0)
/// };
/// let x = earmark_lbfgs::minimise(vec![0.0], 1e-9, 100, function).expect("it converges");
/// assert!((x[0] - 3.0).abs() < 1e-8);
/// ```
pub fn minimise(
    mut x: Vec<f64>,
    tolerance: f64,
    steps: usize,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Vec<f64>> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = function(&x, &mut gradient);
    let mut memory: VecDeque<Step> = VecDeque::new();
    for _ in 0..steps {
        let largest = gradient.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
        if largest <= tolerance {
            return Some(x);
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        let mut length = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        loop {
            let next: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let mut there = vec![0.0; x.len()];
            let value_there = function(&next, &mut there);
            // Armijo's rule, with slack for rounding errors near the minimum.
            if value_there <= value + 1e-4 * length * slope + 1e-15 * value.abs() {
                remember(&mut memory, &x, &next, &gradient, &there);
                (x, gradient, value) = (next, there, value_there);
                break;
            }
            length *= 0.5;
            if length < 1e-30 {
                return None;
            }
        }
    }
    None
}

fn remember(memory: &mut VecDeque<Step>, x: &[f64], next: &[f64], before: &[f64], after: &[f64]) {
    let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let (moved, change) = (difference(next, x), difference(after, before));
    let curvature = dot(&moved, &change);
    if curvature > 1e-300 {
        memory.push_back(Step { moved, change, curvature });
        if memory.len() > MEMORY {
            memory.pop_front();
        }
    }
}

/// The descent direction: the gradient, transformed by the inverse Hessian estimated from past
/// steps.
fn direction(gradient: &[f64], memory: &VecDeque<Step>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|entry| -entry).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for step in memory.iter().rev() {
        let share = dot(&step.moved, &direction) / step.curvature;
        add(&mut direction, -share, &step.change);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    for (step, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(&step.change, &direction) / step.curvature;
        add(&mut direction, share - back, &step.moved);
    }
    direction
}

fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += factor * other);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_narrow_bowl() {
        // Sum of i^4 (x_i - i)^2: the largest curvature is ten thousand times the smallest.
        let function = |x: &[f64], gradient: &mut [f64]| {
            let parts = x.iter().zip(gradient).zip(1..).map(|((x, gradient), i)| {
                let (weight, off) = (f64::from(i).powi(4), x - f64::from(i));
                *gradient = 2.0 * weight * off;
                weight * off * off
            });
            parts.sum()
        };
        let x = minimise(vec![0.0; 10], 1e-9, 200, function).unwrap();
        assert!(x.iter().zip(1..).all(|(x, i)| (x - f64::from(i)).abs() < 1e-8), "{x:?}");
        assert!(minimise(vec![0.0; 10], 1e-9, 3, function).is_none());
    }
}
