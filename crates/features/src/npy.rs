//! NumPy's file format, version 1.0.

/// The bytes of a `.npy` file with `data` in the given `shape`: little-endian 32-bit floats in C
/// order.
///
/// The caller must ensure that the length of `data` matches `shape`.
///
/// Source: NumPy Enhancement Proposal 1.
///
/// ```
/// let bytes = earmark_features::npy(&[2, 1], &[1.0, 2.0]);
/// assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
/// assert_eq!(bytes.len(), 128 + 8);
/// ```
pub fn npy(shape: &[usize], data: &[f32]) -> Vec<u8> {
    let axes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let axes = if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({axes}), }}");
    // The data starts at a multiple of 64 bytes: 10 bytes precede the header, which ends with a
    // line feed.
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}
