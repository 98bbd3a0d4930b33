//! Batch norm and max pooling of long sounds on a GPU.
//!
//! The branches of a wave network have few channels, and a column for each of many samples. With
//! libtorch's kernels for such arrays, most of a GPU is idle (`docs/performance.md`).

use tch::Tensor;

use crate::engine::wide_batch_norm;
use crate::error::TrainingError;

/// The columns that batch norm's kernels need to fill a GPU.
const COLUMNS: i64 = 256;
/// Smaller arrays need little time.
const LARGE: i64 = 1 << 20;

/// Batch norm in training; `parameters` are scale, shift, running mean and running variance.
pub(crate) fn batch_norm(
    x: &Tensor,
    parameters: [&Tensor; 4],
    momentum: f64,
    eps: f64,
) -> Result<Tensor, TrainingError> {
    if let Some(repeats) = repeats(x) {
        return wide_batch_norm(x, parameters, momentum, eps, repeats);
    }
    let [scale, shift, mean, variance] = parameters.map(Some);
    Ok(x.f_batch_norm(scale, shift, mean, variance, true, momentum, eps, true)?)
}

/// The number of pixels in a row of [`COLUMNS`] values; `None` if batch norm needs no such rows.
fn repeats(x: &Tensor) -> Option<i64> {
    let is_large = x.device().is_cuda() && x.numel() as i64 >= LARGE;
    if is_large && is_channels_last(x) { repeats_of(x.size4().ok()?) } else { None }
}

fn repeats_of((batch, channels, height, width): (i64, i64, i64, i64)) -> Option<i64> {
    let pixels = batch * height * width;
    let fits = |repeats: &i64| repeats * channels <= COLUMNS && pixels % repeats == 0;
    (1..).map(|power| 1 << power).take_while(fits).last()
}

/// Max pooling over `pool` columns of one row, without overlap.
pub(crate) fn max_pool_row(x: &Tensor, pool: i64) -> Result<Tensor, TrainingError> {
    let (batch, channels, _, width) = x.size4()?;
    let columns = width / pool;
    let rows = x.f_narrow(3, 0, columns * pool)?.f_permute([0, 2, 3, 1])?;
    let rows = rows.f_reshape([batch, columns, pool, channels])?;
    let (largest, _) = rows.f_max_dim(2, false)?;
    Ok(largest.f_permute([0, 2, 1])?.f_unsqueeze(2)?)
}

/// Whether it has one row, in channels-last memory.
pub(crate) fn is_row(x: &Tensor) -> bool {
    x.size().get(2) == Some(&1) && is_channels_last(x)
}

/// Whether the values of a pixel are side by side.
fn is_channels_last(x: &Tensor) -> bool {
    let (size, stride) = (x.size(), x.stride());
    matches!((&size[..], &stride[..]), (&[_, channels, height, width], &[batch, 1, row, column])
        if column == channels && row == width * column && batch == height * row)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::tensors::channels_last;

    #[test]
    fn rows_divide_the_pixels() {
        assert_eq!(repeats_of((128, 32, 1, 66_150)), Some(8));
        assert_eq!(repeats_of((1, 16, 3, 4)), Some(4));
        assert_eq!(repeats_of((3, 64, 5, 7)), None);
        assert_eq!(repeats_of((128, 256, 16, 38)), None);
    }

    /// A wide batch norm and then an ordinary one, whose running statistics are parts of one tensor
    /// as in a network: the output, the gradients, and the statistics.
    fn two_layers(repeats: Option<i64>) -> Vec<Tensor> {
        let numbers = |count: i64, step: f64| Tensor::arange(count, (Kind::Double, Device::Cpu)) * step;
        let image = (numbers(4 * 8 * 3 * 6, 0.7).sin() * 2.0 + 5.0).reshape([4, 8, 3, 6]);
        let x = channels_last(&image).unwrap().detach().set_requires_grad(true);
        let learned = (numbers(32, 0.3).cos() + 1.5).set_requires_grad(true);
        let running = numbers(32, 0.1).sin() + 2.0;
        let parts = |all: &Tensor, layer: i64| [0, 1].map(|at| all.narrow(0, 16 * layer + 8 * at, 8));
        let layer = |x: &Tensor, at: i64, repeats: Option<i64>| {
            let ([scale, shift], [mean, variance]) = (parts(&learned, at), parts(&running, at));
            match repeats {
                Some(repeats) => wide_batch_norm(x, [&scale, &shift, &mean, &variance], 0.1, 1e-5, repeats).unwrap(),
                None => x.batch_norm(Some(scale), Some(shift), Some(mean), Some(variance), true, 0.1, 1e-5, false),
            }
        };
        let y = layer(&layer(&layer(&x, 1, None).relu(), 0, repeats), 1, None);
        (y.square() * image.cos()).sum(Kind::Double).backward();
        vec![y.detach(), x.grad(), learned.grad(), running]
    }

    #[test]
    fn wide_rows_change_no_value() {
        let ordinary = two_layers(None);
        for repeats in [1, 2, 8] {
            for (ours, theirs) in two_layers(Some(repeats)).iter().zip(&ordinary) {
                let difference = (ours - theirs).abs().max().double_value(&[]);
                assert!(difference < 1e-9, "{repeats}: {difference}");
            }
        }
    }

    #[test]
    fn maxima_and_their_gradients_are_those_of_the_kernel() {
        // Without a remainder, and with one.
        for width in [24, 31] {
            let input = Tensor::arange(3 * 5 * width, (Kind::Double, Device::Cpu)).sin().reshape([3, 5, 1, width]);
            let [ours, theirs] = [true, false].map(|is_ours| {
                let x = channels_last(&input).unwrap().detach().set_requires_grad(true);
                assert!(is_row(&x));
                let y = match is_ours {
                    true => max_pool_row(&x, 6).unwrap(),
                    false => x.max_pool2d([1, 6], [1, 6], [0, 0], [1, 1], false),
                };
                y.square().sum(Kind::Double).backward();
                (y, x.grad())
            });
            assert_eq!(ours.0.size(), [3, 5, 1, width / 6]);
            assert!(ours.0 == theirs.0 && ours.1 == theirs.1, "{width}");
        }
    }
}
