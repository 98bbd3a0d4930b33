//! A file with the positions where it can be broken.

/// A file, its boundaries and its fields.
pub struct Anatomy {
    pub bytes: Vec<u8>,
    /// Positions where some part starts or ends.
    pub cuts: Vec<(String, usize)>,
    pub fields: Vec<Field>,
    /// The start of the audio data.
    pub header_end: usize,
    /// Recomputes the checksums, so that a modified field is accepted.
    pub repair: fn(&mut [u8]),
}

/// A number in the header.
pub struct Field {
    pub name: String,
    /// Its first bit, counted from the start of the file.
    pub bit: usize,
    pub bits: usize,
    /// Whether it is little-endian; then it consists of whole bytes.
    pub little: bool,
    pub kind: Kind,
}

/// What a field means, which determines the values that are tried.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Bytes, entries, frames or samples.
    Length,
    Channels,
    Rate,
    /// Bits per sample.
    Depth,
    /// One of several codes.
    Code,
    /// A 32-bit or 64-bit sample.
    Float,
}

impl Anatomy {
    pub fn new(bytes: Vec<u8>) -> Self {
        Anatomy { bytes, cuts: Vec::new(), fields: Vec::new(), header_end: 0, repair: |_| {} }
    }

    pub fn cut(&mut self, name: impl Into<String>, at: usize) {
        self.cuts.push((name.into(), at.min(self.bytes.len())));
    }

    /// Adds a big-endian field of whole bytes.
    pub fn big(&mut self, name: impl Into<String>, at: usize, size: usize, kind: Kind) {
        self.bits(name, 8 * at, 8 * size, kind);
    }

    /// Adds a little-endian field of whole bytes.
    pub fn little(&mut self, name: impl Into<String>, at: usize, size: usize, kind: Kind) {
        self.fields.push(Field { name: name.into(), bit: 8 * at, bits: 8 * size, little: true, kind });
    }

    pub fn bits(&mut self, name: impl Into<String>, bit: usize, bits: usize, kind: Kind) {
        self.fields.push(Field { name: name.into(), bit, bits, little: false, kind });
    }
}

impl Field {
    /// The value of the field; none beyond the end of the file.
    pub fn get(&self, bytes: &[u8]) -> Option<u64> {
        (0..self.bits).try_fold(0, |value, n| {
            let (byte, mask) = self.place(n);
            Some(value << 1 | u64::from(bytes.get(byte)? & mask != 0))
        })
    }

    pub fn set(&self, bytes: &mut [u8], value: u64) {
        for n in 0..self.bits {
            let (byte, mask) = self.place(n);
            let on = value >> (self.bits - 1 - n) & 1 == 1;
            bytes[byte] = if on { bytes[byte] | mask } else { bytes[byte] & !mask };
        }
    }

    /// Byte and mask of the field's bit `n`, counted from the most significant.
    fn place(&self, n: usize) -> (usize, u8) {
        let (byte, bit) = ((self.bit + n) / 8, (self.bit + n) % 8);
        let byte = if self.little { self.bit / 8 + self.bits / 8 - 1 - n / 8 } else { byte };
        (byte, 0x80 >> bit)
    }

    /// The values to try in place of the current one.
    pub fn values(&self, old: u64) -> Vec<u64> {
        let max = u64::MAX >> (64 - self.bits);
        let mut values: Vec<u64> = match self.kind {
            Kind::Length => {
                vec![0, 1, 2, 7, max / 2, max / 2 + 1, max - 1, max, old.wrapping_sub(1), old + 1, old / 2, 2 * old]
            }
            Kind::Channels => vec![0, 1, 2, 3, 33, 255, max],
            Kind::Rate => vec![0, 1, 7, 1_000, 1_009, 44_101, 383_983, 383_999, 1 << 31, max, max / 2],
            Kind::Depth => vec![0, 1, 3, 4, 7, 9, 12, 15, 17, 20, 23, 31, 33, 63, 65, 80, 128, 255, max],
            Kind::Code if self.bits <= 4 => (0..=max).collect(),
            Kind::Code => vec![0, 1, 2, 3, max, max / 2],
            Kind::Float if self.bits == 32 => {
                let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-45];
                floats.map(|float| u64::from(float.to_bits())).to_vec()
            }
            Kind::Float => {
                let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, 1e39];
                floats.map(f64::to_bits).to_vec()
            }
        };
        values.retain(|value| *value <= max && *value != old);
        values.sort_unstable();
        values.dedup();
        values
    }
}

/// Pseudorandom bytes, always the same.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}
