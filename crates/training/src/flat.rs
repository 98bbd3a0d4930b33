//! All parameters of a network in one tensor. A step of the optimizer then takes a few operations
//! in total instead of a few for each parameter: on a GPU, each operation costs some microseconds
//! to launch, and networks have hundreds of parameters.

use std::ops::Range;

use earmark_nets::{Graph, Parameter, Role, Weights};
use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;
use crate::tensors::array;

/// Parameters start at multiples of this, in values: 64 bytes, which the fastest kernels need.
const ALIGNMENT: usize = 16;

/// The places of all parameters with one role in a tensor of one dimension: first the kernels of
/// convolutions, which have four dimensions, then the others, each in the graph's order.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// In the graph's order, each with its place.
    parameters: Vec<(Parameter, usize)>,
    /// The length of the kernels.
    kernels: usize,
    /// Whether kernels are stored in channels-last order.
    channels_last: bool,
}

/// Whether a parameter is the kernel of a convolution.
pub(crate) fn is_kernel(parameter: &Parameter) -> bool {
    parameter.shape.len() == 4
}

impl Layout {
    pub fn new(graph: &Graph, role: Role, channels_last: bool) -> Self {
        let of_role = graph.parameters().into_iter().filter(|parameter| parameter.role == role);
        let mut parameters: Vec<(Parameter, usize)> = of_role.map(|parameter| (parameter, 0)).collect();
        let mut place = |length: &mut usize, kernels: bool| {
            for (parameter, start) in parameters.iter_mut().filter(|(parameter, _)| is_kernel(parameter) == kernels) {
                *start = *length;
                *length += parameter.len().next_multiple_of(ALIGNMENT);
            }
            *length
        };
        let mut length = 0;
        let kernels = place(&mut length, true);
        place(&mut length, false);
        Self { parameters, kernels, channels_last }
    }

    /// The length of the tensor.
    pub fn len(&self) -> usize {
        self.places().map(|(_, range)| range.end).max().unwrap_or(0)
    }

    /// Each parameter's range, with the padding after it.
    fn places(&self) -> impl Iterator<Item = (&Parameter, Range<usize>)> {
        let range = |start: usize, parameter: &Parameter| start..start + parameter.len().next_multiple_of(ALIGNMENT);
        self.parameters.iter().map(move |(parameter, start)| (parameter, range(*start, parameter)))
    }

    /// The ranges of the parameters for which `is_in` is true, as few as possible.
    pub fn ranges(&self, is_in: impl Fn(&Parameter) -> bool) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> =
            self.places().filter(|(parameter, _)| is_in(parameter)).map(|(_, range)| range).collect();
        places.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in places {
            match joined.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => joined.push(range),
            }
        }
        joined
    }

    /// The part of `flat` that has the kernels of convolutions.
    pub fn kernels(&self, flat: &Tensor) -> Result<Tensor, TrainingError> {
        Ok(flat.f_narrow(0, 0, self.kernels as i64)?)
    }

    /// The parameters as views of `flat`, which share its memory, each in its own shape; the
    /// kernels as views of `kernels`, if it is given.
    pub fn views(&self, flat: &Tensor, kernels: Option<&Tensor>) -> Result<Vec<Tensor>, TrainingError> {
        let view = |(parameter, start): &(Parameter, usize)| {
            let of = kernels.filter(|_| is_kernel(parameter)).unwrap_or(flat);
            self.view(of, parameter, *start)
        };
        self.parameters.iter().map(view).collect()
    }

    fn view(&self, flat: &Tensor, parameter: &Parameter, start: usize) -> Result<Tensor, TrainingError> {
        let values = flat.f_narrow(0, start as i64, parameter.len() as i64)?;
        let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
        Ok(match shape[..] {
            [outputs, inputs, height, width] if self.channels_last => {
                values.f_view([outputs, height, width, inputs])?.f_permute([0, 3, 1, 2])?
            }
            _ => values.f_view(&shape[..])?,
        })
    }

    /// Tensors in the shapes of the parameters, such as gradients, as one tensor. An undefined
    /// tensor counts as zeros. The kernels may be of another kind than the others.
    pub fn flatten(&self, tensors: &[Tensor], kind: Kind, device: Device) -> Result<Tensor, TrainingError> {
        let [kernels, others] = [true, false].map(|kernels| {
            let all = self.parameters.iter().zip(tensors);
            let of_kind = all.filter(|((parameter, _), _)| is_kernel(parameter) == kernels);
            self.joined(of_kind.map(|((parameter, _), tensor)| (parameter, tensor)), kind, device)
        });
        Ok(Tensor::f_cat(&[kernels?, others?], 0)?)
    }

    fn joined<'a>(
        &self,
        tensors: impl Iterator<Item = (&'a Parameter, &'a Tensor)>,
        kind: Kind,
        device: Device,
    ) -> Result<Tensor, TrainingError> {
        let mut parts = Vec::new();
        for (parameter, tensor) in tensors {
            let length = parameter.len();
            parts.push(match tensor.defined() {
                true if is_kernel(parameter) && self.channels_last => {
                    tensor.f_permute([0, 2, 3, 1])?.f_reshape([-1])?
                }
                true => tensor.f_reshape([-1])?,
                false => Tensor::f_zeros([length as i64], (kind, device))?,
            });
            let padding = length.next_multiple_of(ALIGNMENT) - length;
            if padding > 0 {
                let of_part = parts.last().map_or(kind, Tensor::kind);
                parts.push(Tensor::f_zeros([padding as i64], (of_part, device))?);
            }
        }
        match parts.is_empty() {
            true => Ok(Tensor::f_zeros([0], (kind, device))?),
            false => Ok(Tensor::f_cat(&parts, 0)?.f_to_kind(kind)?),
        }
    }

    /// The arrays of the parameters in `flat`, by name.
    pub fn arrays(&self, flat: &Tensor) -> Result<Weights, TrainingError> {
        let flat = flat.f_detach()?.f_to_device(Device::Cpu)?;
        let views = self.views(&flat, None)?;
        let arrays = self.parameters.iter().zip(&views);
        let arrays = arrays.map(|((parameter, _), view)| Ok((parameter.name.clone(), array(view, &parameter.shape)?)));
        arrays.collect::<Result<_, TrainingError>>().map(Weights)
    }

    /// The reverse of [`Self::arrays`]; a missing array counts as zeros.
    pub fn flat(&self, weights: &Weights, kind: Kind, device: Device) -> Result<Tensor, TrainingError> {
        let tensor = |(parameter, _): &(Parameter, usize)| {
            let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
            match weights.0.get(&parameter.name) {
                Some(array) => Ok(Tensor::f_from_slice(&array.data)?.f_reshape(shape)?),
                None => Ok(Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?),
            }
        };
        let tensors = self.parameters.iter().map(tensor).collect::<Result<Vec<_>, TrainingError>>()?;
        Ok(self.flatten(&tensors, Kind::Float, Device::Cpu)?.f_to_device(device)?.f_to_kind(kind)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::initial_weights;

    #[test]
    fn parameters_are_views_of_one_tensor() {
        let graph = earmark_nets::find("resnet_nano").unwrap().graph(3, 10);
        let weights = initial_weights(&graph, 1, &[]);
        for (role, channels_last) in [(Role::Learned, true), (Role::Learned, false), (Role::Statistic, true)] {
            let layout = Layout::new(&graph, role, channels_last);
            let flat = layout.flat(&weights, Kind::Float, Device::Cpu).unwrap();
            let of_role = graph.parameters().into_iter().filter(|parameter| parameter.role == role);
            let expected: Weights = Weights(
                of_role.map(|parameter| (parameter.name.clone(), weights.0[&parameter.name].clone())).collect(),
            );
            assert_eq!(layout.arrays(&flat).unwrap(), expected);
            let mut views = layout.views(&flat, None).unwrap();
            assert!(views.iter().all(|view| view.data_ptr() as usize % 64 == flat.data_ptr() as usize % 64));
            let again = layout.flatten(&views, Kind::Float, Device::Cpu).unwrap();
            assert!(again == flat, "the padding is zero");
            let _ = views[0].fill_(7.0);
            let changed = layout.arrays(&flat).unwrap();
            let first = &layout.parameters[0].0.name;
            assert!(changed.0[first].data.iter().all(|value| *value == 7.0));
            assert_eq!(changed.0.iter().filter(|(name, array)| **array != expected.0[*name]).count(), 1);
        }
    }
}
