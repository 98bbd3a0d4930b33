//! Spectrograms as PNG, and bytes as data URIs.

use std::io::Write;

use base64::Engine;
use earmark_features::FeatureView;
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// The maximum width of a picture; if there are more frames, several share a column.
const COLUMNS: usize = 640;
/// The dynamic range in decibels: anything quieter, relative to the loudest point, is drawn as
/// silence.
const RANGE: f32 = 80.0;
/// From quiet to loud: nine equidistant colors of matplotlib's colormap magma (Smith and van der
/// Walt, CC0).
const MAGMA: [[u8; 3]; 9] = [
    [0, 0, 4],
    [29, 17, 71],
    [81, 18, 124],
    [131, 38, 129],
    [183, 55, 121],
    [230, 81, 98],
    [252, 137, 97],
    [254, 200, 140],
    [252, 253, 191],
];

/// The first channel of log-mel features as a picture: time runs to the right, frequency upwards.
/// `None` if there are no frames.
pub fn spectrogram(features: FeatureView<'_>) -> Option<Vec<u8>> {
    let (frames, bins) = (features.frames(), features.bins());
    if frames == 0 || bins == 0 {
        return None;
    }
    let mut values = vec![0.0; frames * features.width()];
    features.read(0, &mut values);
    let columns = frames.min(COLUMNS);
    let loudest = |column: usize, bin: usize| {
        let frames = column * frames / columns..((column + 1) * frames / columns);
        frames.map(|frame| values[frame * features.width() + bin]).fold(f32::NEG_INFINITY, f32::max)
    };
    let rows = (0..bins).rev().flat_map(|bin| (0..columns).map(move |column| (column, bin)));
    let decibels: Vec<f32> = rows.map(|(column, bin)| loudest(column, bin)).collect();
    let top = decibels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // The cast saturates.
    let pixels: Vec<u8> = decibels.iter().map(|value| (255.0 * (1.0 - (top - value) / RANGE)) as u8).collect();
    png(columns, bins, &pixels).ok()
}

/// Encodes one byte per pixel, an index into the palette (PNG, third edition, W3C 2025).
fn png(width: usize, height: usize, pixels: &[u8]) -> std::io::Result<Vec<u8>> {
    let size = [width, height].map(|side| (side as u32).to_be_bytes()).concat();
    let colours: Vec<u8> = (0..=255).flat_map(colour).collect();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks_exact(width) {
        // Each row starts with its filter type: none.
        zlib.write_all(&[0])?;
        zlib.write_all(row)?;
    }
    // 8-bit palette indices, the only standard compression and filter method, no interlacing.
    let header = [&size[..], &[8, 3, 0, 0, 0]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.finish()?), (b"IEND", Vec::new())] {
        bytes.extend((data.len() as u32).to_be_bytes());
        let start = bytes.len();
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend(crc32fast::hash(&bytes[start..]).to_be_bytes());
    }
    Ok(bytes)
}

/// The color of a loudness, interpolated between two entries of [`MAGMA`].
fn colour(loudness: u8) -> [u8; 3] {
    let place = f32::from(loudness) / 255.0 * (MAGMA.len() - 1) as f32;
    let below = (place as usize).min(MAGMA.len() - 2);
    let (low, high, share) = (MAGMA[below], MAGMA[below + 1], place - below as f32);
    [0, 1, 2].map(|i| (f32::from(low[i]) + share * (f32::from(high[i]) - f32::from(low[i]))).round() as u8)
}

/// Encodes bytes as a data URI.
pub fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use earmark_features::Features;

    use super::*;

    /// The width, height and pixels of a picture. Verifies its checksums.
    fn read(mut png: &[u8]) -> (u32, u32, Vec<u8>) {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
        png = png.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let (mut size, mut packed) = ((0, 0), Vec::new());
        while !png.is_empty() {
            let length = number(png) as usize;
            let (chunk, rest) = png[4..].split_at(4 + length);
            assert_eq!(number(rest), crc32fast::hash(chunk));
            match &chunk[..4] {
                b"IHDR" => size = (number(&chunk[4..]), number(&chunk[8..])),
                b"IDAT" => packed.extend(&chunk[4..]),
                _ => {}
            }
            png = &rest[4..];
        }
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut rows).unwrap();
        let pixels = rows.chunks_exact(size.0 as usize + 1).flat_map(|row| row[1..].to_vec()).collect();
        (size.0, size.1, pixels)
    }

    #[test]
    fn the_picture_shows_high_bands_above_and_later_frames_to_the_right() {
        // Loud only in the lower band of the second frame; the delta is louder, but is not shown.
        let data = vec![-90.0, -90.0, 99.0, 99.0, 0.0, -40.0, 99.0, 99.0];
        let features = Features { data, channels: 2, bins: 2, frames: 2 };
        assert_eq!(read(&spectrogram(features.view()).unwrap()), (2, 2, vec![0, 127, 0, 255]));
    }

    #[test]
    fn the_ends_of_the_colours_are_magma_s() {
        assert_eq!((colour(0), colour(255)), (MAGMA[0], MAGMA[8]));
        assert_eq!(data_uri("a/b", b"\xff\x00!"), "data:a/b;base64,/wAh");
    }

    #[test]
    fn long_clips_keep_the_width_and_empty_ones_are_errors() {
        let features = Features { data: vec![0.0; 4 * 3000], channels: 1, bins: 4, frames: 3000 };
        let (width, height, pixels) = read(&spectrogram(features.view()).unwrap());
        assert_eq!((width, height, pixels.len()), (640, 4, 640 * 4));
        assert!(spectrogram(Features { data: vec![], channels: 1, bins: 4, frames: 0 }.view()).is_none());
    }
}
