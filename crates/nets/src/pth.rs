//! PyTorch's own files, `.pth` and `.pt`: the arrays in them.
//!
//! These files are pickles: Python programs that may call anything. The reader runs none of them.
//! It interprets only the few calls that build tensors; of any other call it keeps only the name. A
//! file with values from any call that is not listed below is refused. Two kinds of files that
//! PyTorch refuses by default (`weights_only`) are read: a file with a call whose result is
//! discarded, which the reader does not report, and a network saved whole, whose class is only a
//! name here.

use std::collections::BTreeMap;
use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};

use crate::weights::{Array, Weights, WeightsError, brain_floats, halves, is_no_weight, singles};

const TENSOR: &str = "torch.Tensor";
/// Other calls and classes in weight files; unused here, and harmless. `int` is an integer of more
/// than 64 bits, and `encode` is how pickles write bytes.
const HARMLESS: [&str; 9] = [
    "_codecs.encode",
    "argparse.Namespace",
    "int",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray.scalar",
    "torch.Size",
    "torch.TypedStorage",
    "torch.UntypedStorage",
    "torch.device",
];
/// The keys under which timm, torchvision and PANNs store weights that are not at the top level.
const KEYS: [&str; 2] = ["state_dict", "model"];
/// A tensor may be a view that repeats a few values endlessly. No tensor of a weight file does.
const MOST_BYTES_PER_BYTE: u64 = 8;

/// Reads the weights of a file.
///
/// # Errors
/// Damaged bytes, calls that do not belong in a weight file, unsupported value types, values that
/// are not finite.
pub fn read(path: &Path) -> Result<Weights, WeightsError> {
    let all = PytorchReader::read_pickle_data(path, None).map_err(|error| unreadable(&error))?;
    if let Some(call) = foreign(&all) {
        return Err(WeightsError::Code(call.to_owned()));
    }
    let file = match key(&all) {
        Some(key) => PytorchReader::with_top_level_key(path, key),
        None => PytorchReader::new(path),
    };
    let tensors = file.map_err(|error| unreadable(&error))?.into_tensors();
    if tensors.is_empty() {
        return Err(WeightsError::Unreadable("it holds no arrays".to_owned()));
    }
    let bytes = tensors.values().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.byte_len() as u64));
    let size = std::fs::metadata(path).map_err(earmark_files::FileError::of("read", path))?.len();
    if bytes / MOST_BYTES_PER_BYTE > size {
        return Err(WeightsError::Unreadable(format!("it has {size} bytes, and announces arrays of {bytes}")));
    }
    let mut arrays = BTreeMap::new();
    for (name, tensor) in tensors.into_iter().filter(|(name, _)| !is_no_weight(name)) {
        let values = match tensor.dtype() {
            DType::F32 => singles,
            DType::F16 => halves,
            DType::BF16 => brain_floats,
            other => return Err(WeightsError::Type { name, dtype: format!("{other:?}") }),
        };
        let bytes = tensor.read().map_err(|error| WeightsError::Unreadable(format!("{name}: {error}")))?;
        let array = Array::finite(&name, tensor.shape().to_vec(), values(&bytes))?;
        arrays.insert(name, array);
    }
    Ok(Weights::unwrapped(arrays))
}

/// The key under which the weights are stored; `None` if they are at the top level.
fn key(all: &PickleValue) -> Option<&'static str> {
    let PickleValue::Dict(top) = all else { return None };
    let at_top = top.values().any(|value| matches!(value, PickleValue::Unsupported(kind) if kind == TENSOR));
    KEYS.into_iter().filter(|_| !at_top).find(|key| matches!(top.get(*key), Some(PickleValue::Dict(_))))
}

/// The name of a call or class that does not belong in a weight file.
fn foreign(value: &PickleValue) -> Option<&str> {
    match value {
        PickleValue::List(values) => values.iter().find_map(foreign),
        PickleValue::Dict(values) => values.values().find_map(foreign),
        // The reader treats data types such as `torch.float32` as classes.
        PickleValue::Unsupported(kind) => {
            let known = kind == TENSOR || HARMLESS.contains(&kind.as_str()) || is_dtype(kind);
            (!known).then_some(kind)
        }
        _ => None,
    }
}

fn is_dtype(kind: &str) -> bool {
    let name = kind.strip_prefix("torch.").unwrap_or_default();
    ["float", "bfloat", "int", "uint"].iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|bits| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn unreadable(error: &PytorchError) -> WeightsError {
    match error {
        PytorchError::InvalidFormat(reason) => WeightsError::Unreadable(reason.clone()),
        error => WeightsError::Unreadable(error.to_string()),
    }
}
