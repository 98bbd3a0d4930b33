//! Constants of the format.

/// The first and the last bytes of a file.
pub const MAGIC: &[u8; 4] = b"PAR1";
/// The key of the model's name in the metadata.
pub const MODEL: &str = "earmark.model";
/// The key of the SHA-256 of its network.
pub const SHA256: &str = "earmark.sha256";

/// Numbers of the specification's enumerations.
pub mod numbers {
    pub const FLOAT: i32 = 4;
    pub const DOUBLE: i32 = 5;
    pub const BYTE_ARRAY: i32 = 6;

    pub const REQUIRED: i32 = 0;
    pub const REPEATED: i32 = 2;

    pub const UTF8: i32 = 0;
    pub const LIST: i32 = 3;

    pub const PLAIN: i32 = 0;
    pub const PLAIN_DICTIONARY: i32 = 2;
    pub const RLE: i32 = 3;
    pub const RLE_DICTIONARY: i32 = 8;

    pub const UNCOMPRESSED: i32 = 0;
    pub const SNAPPY: i32 = 1;

    pub const DATA_PAGE: i32 = 0;
    pub const INDEX_PAGE: i32 = 1;
    pub const DICTIONARY_PAGE: i32 = 2;

    /// The names of types, for errors.
    pub const TYPES: [&str; 8] =
        ["boolean", "int32", "int64", "int96", "float", "double", "binary", "fixed-length binary"];
    /// The names of compressions, for errors.
    pub const CODECS: [&str; 8] = ["none", "Snappy", "gzip", "LZO", "Brotli", "LZ4", "Zstandard", "raw LZ4"];
}
