//! Checks an ONNX file of a bundle before ONNX Runtime reads it: all of its weights must be in the
//! file, and all of its operators must be those of the ONNX standard.
//!
//! Only the fields of `onnx.proto` that matter here are read; weights are skipped, not copied.

use crate::BundleFault;

/// The domains of the standard operators.
const STANDARD: [&[u8]; 3] = [b"", b"ai.onnx", b"ai.onnx.ml"];
/// Maximum depth of messages in messages: a graph in a graph (the branch of an `If`) is three.
const MOST_DEPTH: usize = 48;
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u32 = 1;

/// The messages with fields that are checked.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    Training,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
}

impl Message {
    /// The message in a field, if it is checked.
    fn child(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            _ => return None,
        })
    }

    /// Whether a field is the domain of operators.
    fn is_domain(self, field: u64) -> bool {
        matches!((self, field), (Self::Node, 7) | (Self::Function, 10))
    }
}

/// Checks an ONNX file.
///
/// # Errors
/// [`BundleFault::NotOnnx`], [`BundleFault::ExternalData`], [`BundleFault::Operators`].
pub(crate) fn check(bytes: &[u8]) -> Result<(), BundleFault> {
    let mut has_graph = false;
    walk(bytes, Message::Model, 0, &mut |message, field, value| {
        has_graph |= (message, field) == (Message::Model, 7);
        match (message, field, value) {
            // Readers keep the lower half of the number.
            (Message::Tensor, 14, Value::Number(number)) if *number as u32 == EXTERNAL => {
                Err(BundleFault::ExternalData)
            }
            (Message::Tensor, 13, _) => Err(BundleFault::ExternalData),
            (_, _, Value::Bytes(domain)) if message.is_domain(field) && !STANDARD.contains(domain) => {
                Err(BundleFault::Operators { domain: String::from_utf8_lossy(domain).into_owned() })
            }
            _ => Ok(()),
        }
    })?;
    if has_graph { Ok(()) } else { Err(BundleFault::NotOnnx) }
}

/// Whether any node of an ONNX file has an operator whose name begins so.
pub(crate) fn has_operator(bytes: &[u8], start: &str) -> bool {
    let mut found = false;
    let walked = walk(bytes, Message::Model, 0, &mut |message, field, value| {
        let name = (message, field) == (Message::Node, 4);
        found |= name && matches!(value, Value::Bytes(name) if name.starts_with(start.as_bytes()));
        Ok(())
    });
    walked.is_ok() && found
}

/// Gets a message, the number of a field of it, and the field's value.
type Visit<'a> = dyn FnMut(Message, u64, &Value<'_>) -> Result<(), BundleFault> + 'a;

/// Visits the fields of a message and of those in it.
fn walk(bytes: &[u8], message: Message, depth: usize, visit: &mut Visit<'_>) -> Result<(), BundleFault> {
    if depth > MOST_DEPTH {
        return Err(BundleFault::NotOnnx);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (field, value) = next(&mut rest).ok_or(BundleFault::NotOnnx)?;
        visit(message, field, &value)?;
        if let (Value::Bytes(inner), Some(child)) = (value, message.child(field)) {
            walk(inner, child, depth + 1, visit)?;
        }
    }
    Ok(())
}

/// The value of a field.
enum Value<'a> {
    /// Of a number of variable length; numbers of fixed length are 0, for none is checked.
    Number(u64),
    /// A message, string or packed numbers.
    Bytes(&'a [u8]),
}

/// Splits the next field off; none if the bytes are no Protocol Buffers message.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = variable(rest)?;
    let value = match key & 7 {
        0 => Value::Number(variable(rest)?),
        1 => take(rest, 8).map(|_| Value::Number(0))?,
        2 => {
            let length = usize::try_from(variable(rest)?).ok()?;
            Value::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Value::Number(0))?,
        // ONNX has no groups, in which a field could be hidden.
        _ => return None,
    };
    (key <= u64::from(u32::MAX)).then_some((key >> 3, value))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// A number of seven bits a byte.
fn variable(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
