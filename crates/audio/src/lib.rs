//! Audio files to samples: decoding, limits, mono mix, resampling.
