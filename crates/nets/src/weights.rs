//! Named arrays: the learned parameters of a network, as safetensors.

use std::collections::BTreeMap;

use earmark_files::FileError;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::analysis::Parameter;
use crate::graph::Graph;

/// Weights that cannot be read, or do not fit the network.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are not a safetensors file, or the file is damaged.
    #[error("not a readable safetensors file: {0}")]
    Damaged(String),
    /// A PyTorch file that cannot be read or is damaged.
    #[error("not a readable weight file, neither safetensors nor PyTorch: {0}")]
    Unreadable(String),
    /// A pickle that requests code execution. No code was run.
    #[error("refused: the file would run {0}; weight files may contain only arrays, numbers and text")]
    Code(String),
    /// An array of another type than `f32`, `f16` or `bf16`.
    #[error("{name} holds values of type {dtype}; f32, f16 and bf16 can be read")]
    Type {
        /// The array.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The names or shapes do not match the network; all differences are listed.
    #[error("the weights do not fit the network: {}", list(missing, extra, misshaped))]
    Misfit {
        /// Parameters that the file lacks.
        missing: Vec<String>,
        /// Arrays that the network does not have.
        extra: Vec<String>,
        /// Arrays of another shape, with both shapes.
        misshaped: Vec<String>,
    },
    /// A value is NaN or infinite.
    #[error("{0} holds a value that is not finite")]
    NotFinite(String),
}

fn list(missing: &[String], extra: &[String], misshaped: &[String]) -> String {
    let part = |what: &str, names: &[String]| match names {
        [] => None,
        [one] => Some(format!("{what}: {one}")),
        many => Some(format!("{} {what}: {}", many.len(), many.join(", "))),
    };
    let parts = [part("missing", missing), part("unexpected", extra), part("of another shape", misshaped)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// An array: its shape and its values, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values.
    pub data: Vec<f32>,
}

impl Array {
    /// An array read from a file.
    ///
    /// # Errors
    /// A value is NaN or infinite.
    pub(crate) fn finite(name: &str, shape: Vec<usize>, data: Vec<f32>) -> Result<Self, WeightsError> {
        match data.iter().all(|value| value.is_finite()) {
            true => Ok(Self { shape, data }),
            false => Err(WeightsError::NotFinite(name.to_owned())),
        }
    }
}

/// Arrays, by parameter name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub BTreeMap<String, Array>);

/// The prefix of all names in files saved from `DataParallel` or `DistributedDataParallel`.
const WRAPPER: &str = "module.";

/// Whether an array of a PyTorch file is not a learned parameter: a batch counter, or a constant of
/// PANNs' front end, which is not part of a network here.
pub(crate) fn is_no_weight(name: &str) -> bool {
    let panns = ["spectrogram_extractor.", "logmel_extractor."];
    let name = name.strip_prefix(WRAPPER).unwrap_or(name);
    name.ends_with("num_batches_tracked") || panns.iter().any(|prefix| name.starts_with(prefix))
}

impl Weights {
    /// Reads a safetensors file's bytes; `f16` and `bf16` become `f32`. Torch's batch counters and
    /// the constants of PANNs' front end are omitted, and so is the prefix `module.` of networks
    /// trained on several GPUs.
    ///
    /// # Errors
    /// Damaged bytes, unsupported value types, values that are not finite.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Damaged(error.to_string()))?;
        let mut arrays = BTreeMap::new();
        for (name, view) in file.tensors() {
            if is_no_weight(&name) {
                continue;
            }
            let data = match view.dtype() {
                Dtype::F32 => singles(view.data()),
                Dtype::F16 => halves(view.data()),
                Dtype::BF16 => brain_floats(view.data()),
                other => return Err(WeightsError::Type { name, dtype: format!("{other:?}") }),
            };
            let array = Array::finite(&name, view.shape().to_vec(), data)?;
            arrays.insert(name, array);
        }
        Ok(Self::unwrapped(arrays))
    }

    /// The arrays of a file, without the prefix that PyTorch adds to all names of networks trained
    /// on several GPUs.
    pub(crate) fn unwrapped(arrays: BTreeMap<String, Array>) -> Self {
        if !arrays.keys().all(|name| name.starts_with(WRAPPER)) {
            return Self(arrays);
        }
        Self(arrays.into_iter().map(|(name, array)| (name[WRAPPER.len()..].to_owned(), array)).collect())
    }

    /// Whether no value is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.0.values().all(|array| array.data.iter().all(|value| value.is_finite()))
    }

    /// Encodes the weights as a safetensors file.
    ///
    /// # Errors
    /// An array whose values do not fill its shape.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<Vec<u8>> =
            self.0.values().map(|array| array.data.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
        let damaged = |error: safetensors::SafeTensorError| WeightsError::Damaged(error.to_string());
        let mut views = Vec::with_capacity(bytes.len());
        for ((name, array), bytes) in self.0.iter().zip(&bytes) {
            views.push((name, TensorView::new(Dtype::F32, array.shape.clone(), bytes).map_err(damaged)?));
        }
        serialize(views, None).map_err(damaged)
    }

    /// Checks that these are the weights of `graph`: every parameter, of the right shape, and
    /// nothing else.
    ///
    /// # Errors
    /// Missing, unexpected and misshaped arrays, all listed at once.
    pub fn check(&self, graph: &Graph) -> Result<(), WeightsError> {
        self.check_against(graph.parameters())
    }

    /// As [`Weights::check`], against some of the parameters of a network.
    pub(crate) fn check_against(&self, parameters: Vec<Parameter>) -> Result<(), WeightsError> {
        let expected: BTreeMap<String, Vec<usize>> =
            parameters.into_iter().map(|parameter| (parameter.name, parameter.shape)).collect();
        let missing: Vec<String> = expected.keys().filter(|name| !self.0.contains_key(*name)).cloned().collect();
        let extra: Vec<String> = self.0.keys().filter(|name| !expected.contains_key(*name)).cloned().collect();
        let misshaped: Vec<String> = expected
            .iter()
            .filter_map(|(name, shape)| {
                let given = &self.0.get(name)?.shape;
                (given != shape).then(|| format!("{name} {given:?} instead of {shape:?}"))
            })
            .collect();
        if missing.is_empty() && extra.is_empty() && misshaped.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Misfit { missing, extra, misshaped })
    }
}

pub(crate) fn singles(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

pub(crate) fn halves(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
}

pub(crate) fn brain_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::find;

    #[test]
    fn save_and_load_is_the_identity() {
        let array = Array { shape: vec![2, 2], data: vec![1.0, -0.5, f32::MIN_POSITIVE, 3e38] };
        let weights = Weights(BTreeMap::from([("a.weight".to_owned(), array)]));
        assert_eq!(Weights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap(), weights);
    }

    #[test]
    fn lists_every_difference_at_once() {
        let graph = find("resnet18").unwrap().graph(3, 10);
        let other = find("resnet18").unwrap().graph(3, 11);
        let zeros = |graph: &Graph| {
            let array = |p: Parameter| (p.name.clone(), Array { data: vec![0.0; p.len()], shape: p.shape });
            Weights(graph.parameters().into_iter().map(array).collect())
        };
        let mut weights = zeros(&other);
        weights.0.remove("conv1.weight");
        weights.0.insert("conv9.weight".to_owned(), Array { shape: vec![], data: vec![0.0] });
        let error = weights.check(&graph).unwrap_err();
        let WeightsError::Misfit { missing, extra, misshaped } = &error else { panic!("{error:?}") };
        assert_eq!((&missing[..], &extra[..]), (&["conv1.weight".to_owned()][..], &["conv9.weight".to_owned()][..]));
        assert!(misshaped.contains(&"fc.weight [11, 512] instead of [10, 512]".to_owned()), "{misshaped:?}");
        zeros(&graph).check(&graph).unwrap();
        let error = Weights::default().check(&graph).unwrap_err();
        let WeightsError::Misfit { missing, .. } = &error else { panic!("{error:?}") };
        assert!(graph.parameters().iter().all(|parameter| missing.contains(&parameter.name)), "{missing:?}");
    }

    #[test]
    fn a_common_prefix_of_all_names_is_removed() {
        let array = Array { shape: vec![1], data: vec![1.0] };
        let weights = |names: &[&str]| Weights(names.iter().map(|name| (name.to_string(), array.clone())).collect());
        let read = |names: &[&str]| Weights::from_safetensors(&weights(names).to_safetensors().unwrap()).unwrap();
        let wrapped =
            ["module.fc.bias", "module.module.a", "module.bn1.num_batches_tracked", "module.logmel_extractor.melW"];
        assert_eq!(read(&wrapped), weights(&["fc.bias", "module.a"]));
        let not_all = ["module.fc.bias", "fc.weight"];
        assert_eq!(read(&not_all), weights(&not_all));
    }

    #[test]
    fn half_precision_is_ieee_754() {
        let value = |bits: u16| halves(&bits.to_le_bytes())[0];
        for (bits, expected) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8), (0x0400, 6.103_515_6e-5)]
        {
            assert_eq!(value(bits), expected, "{bits:#x}");
        }
        assert!(value(0x7e00).is_nan());
        assert_eq!(brain_floats(&[0x80, 0x3f, 0x20, 0xc1]), [1.0, -10.0]);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert!(matches!(
            Weights::from_safetensors(b"\xff\xff\xff\xff\xff\xff\xff\xff{}"),
            Err(WeightsError::Damaged(_))
        ));
    }
}
