//! All parameters of a network in one tensor. A step of the optimizer then takes a few operations
//! in total instead of a few for each parameter: on a GPU, each operation costs some microseconds
//! to launch, and networks have hundreds of parameters.

use earmark_nets::{Graph, Parameter, Role, Weights};
use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;
use crate::tensors::array;

/// Parameters start at multiples of this, in values: 64 bytes, which the fastest kernels need.
const ALIGNMENT: usize = 16;

/// The places of all parameters with one role in a tensor of one dimension, in the graph's order.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    parameters: Vec<(Parameter, usize)>,
    length: usize,
    /// Whether parameters of four dimensions are stored in channels-last order.
    channels_last: bool,
}

impl Layout {
    pub fn new(graph: &Graph, role: Role, channels_last: bool) -> Self {
        let mut length = 0;
        let parameters = graph.parameters().into_iter().filter(|parameter| parameter.role == role);
        let parameters = parameters.map(|parameter| {
            let start = length;
            length += parameter.len().next_multiple_of(ALIGNMENT);
            (parameter, start)
        });
        Self { parameters: parameters.collect(), length, channels_last }
    }

    /// Zeros in the place of every parameter.
    pub fn zeros(&self, kind: Kind, device: Device) -> Result<Tensor, TrainingError> {
        Ok(Tensor::f_zeros([self.length as i64], (kind, device))?)
    }

    /// The parameters as views of `flat`, which share its memory, each in its own shape.
    pub fn views(&self, flat: &Tensor) -> Result<Vec<Tensor>, TrainingError> {
        let view = |(parameter, start): &(Parameter, usize)| {
            let values = flat.f_narrow(0, *start as i64, parameter.len() as i64)?;
            let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
            Ok(match shape[..] {
                [outputs, inputs, height, width] if self.channels_last => {
                    values.f_view([outputs, height, width, inputs])?.f_permute([0, 3, 1, 2])?
                }
                _ => values.f_view(&shape[..])?,
            })
        };
        self.parameters.iter().map(view).collect()
    }

    /// Tensors in the shapes of the parameters, such as gradients, as one tensor. An undefined
    /// tensor counts as zeros.
    pub fn flatten(&self, tensors: &[Tensor], kind: Kind, device: Device) -> Result<Tensor, TrainingError> {
        let zeros = Tensor::f_zeros([ALIGNMENT as i64], (kind, device))?;
        let mut parts = Vec::with_capacity(2 * tensors.len());
        for ((parameter, _), tensor) in self.parameters.iter().zip(tensors) {
            let length = parameter.len();
            parts.push(match tensor.defined() {
                true if tensor.dim() == 4 && self.channels_last => tensor.f_permute([0, 2, 3, 1])?.f_reshape([-1])?,
                true => tensor.f_reshape([-1])?,
                false => Tensor::f_zeros([length as i64], (kind, device))?,
            });
            let padding = length.next_multiple_of(ALIGNMENT) - length;
            if padding > 0 {
                parts.push(zeros.f_narrow(0, 0, padding as i64)?);
            }
        }
        if parts.is_empty() { self.zeros(kind, device) } else { Ok(Tensor::f_cat(&parts, 0)?) }
    }

    /// The arrays of the parameters in `flat`, by name.
    pub fn arrays(&self, flat: &Tensor) -> Result<Weights, TrainingError> {
        let flat = flat.f_detach()?.f_to_device(Device::Cpu)?;
        let views = self.views(&flat)?;
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
    use crate::network::initial_weights;

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
            let mut views = layout.views(&flat).unwrap();
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
