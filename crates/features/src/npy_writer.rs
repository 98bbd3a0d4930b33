//! Streaming of a clip's features into a NumPy file.

use std::io::{Result, Seek, SeekFrom, Write};

use crate::npy::npy;
use crate::stream::FeatureStream;

/// Bytes before the data of a file with up to three axes.
const HEADER: u64 = 128;

/// Writes features, `[rows, frames]`, into a `.npy` file whose number of frames is known only at
/// the end.
///
/// Features with a single row are written as they arrive. With several rows, the position of a row
/// in the file depends on the number of frames, so all of them are written by
/// [`NpyWriter::finish`].
#[derive(Debug)]
pub struct NpyWriter<W> {
    file: W,
    rows: usize,
    frames: usize,
    block: Vec<f32>,
}

impl<W: Write + Seek> NpyWriter<W> {
    /// Creates a writer into an empty file for features with this many rows: channels times bins.
    pub fn new(file: W, rows: usize) -> Self {
        Self { file, rows, frames: 0, block: Vec::new() }
    }

    /// Writes the frames that are ready, if they can be written already.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_ready(&mut self, stream: &mut FeatureStream) -> Result<()> {
        if self.rows > 1 {
            return Ok(());
        }
        loop {
            let frames = stream.take(&mut self.block);
            if frames == 0 {
                return Ok(());
            }
            write_at(&mut self.file, self.frames, &self.block)?;
            self.frames += frames;
        }
    }

    /// Writes the rest of the `frames` frames, each block of them as a piece of every row, and the
    /// header with `shape`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self, stream: &mut FeatureStream, frames: usize, shape: &[usize]) -> Result<()> {
        self.write_ready(stream)?;
        let mut piece = Vec::new();
        loop {
            let taken = stream.take(&mut self.block);
            if taken == 0 {
                break;
            }
            for row in 0..self.rows {
                piece.clear();
                piece.extend(self.block.iter().skip(row).step_by(self.rows));
                write_at(&mut self.file, row * frames + self.frames, &piece)?;
            }
            self.frames += taken;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&npy(shape, &[]))
    }
}

fn write_at(file: &mut (impl Write + Seek), index: usize, values: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    file.seek(SeekFrom::Start(HEADER + 4 * index as u64))?;
    file.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::FrontEnd;

    #[test]
    fn a_file_written_in_pieces_is_that_of_the_whole() {
        let samples: Vec<f32> = (0..50_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let wave = serde_json::from_str(r#"{"kind": "wave"}"#).unwrap();
        for front_end in [FrontEnd::logmel(), wave] {
            let extractor = front_end.extractor().unwrap();
            let whole = extractor.extract(&samples).unwrap();
            let shape = [whole.channels, whole.bins, whole.frames];
            let mut file = Cursor::new(Vec::new());
            let mut writer = NpyWriter::new(&mut file, whole.channels * whole.bins);
            let mut stream = extractor.stream();
            for piece in samples.chunks(777) {
                stream.push(piece).unwrap();
                writer.write_ready(&mut stream).unwrap();
            }
            let frames = stream.finish().unwrap();
            writer.finish(&mut stream, frames, &shape).unwrap();
            let rows = whole.rows();
            assert!(file.into_inner() == npy(&shape, &rows), "{front_end:?}");
        }
    }
}
