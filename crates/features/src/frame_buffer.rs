//! A buffer of frames.

/// Frames that are allocated and freed together.
const BLOCK: usize = 256;
/// Number of values in freed blocks that are kept for reuse: a megabyte.
const SPARE: usize = 1 << 18;

/// Rows of `width` values, stored in blocks, so that the oldest can be freed.
#[derive(Default)]
pub(crate) struct FrameBuffer {
    width: usize,
    rows: usize,
    /// A freed block is empty.
    blocks: Vec<Vec<f32>>,
    spare: Vec<Vec<f32>>,
}

impl FrameBuffer {
    pub(crate) fn new(width: usize) -> Self {
        FrameBuffer { width, ..FrameBuffer::default() }
    }

    /// Rows so far, including freed ones.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a row of `width` values.
    pub(crate) fn push(&mut self, row: &[f32]) {
        if self.rows.is_multiple_of(BLOCK) {
            self.blocks.push(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK * self.width)));
        }
        self.rows += 1;
        if let Some(block) = self.blocks.last_mut() {
            block.extend_from_slice(row);
        }
    }

    /// A row that exists and was not freed.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        let at = row % BLOCK * self.width;
        &self.blocks[row / BLOCK][at..at + self.width]
    }

    /// Frees the blocks that end before `row`, except for the first one if `keep_first`.
    pub(crate) fn free(&mut self, row: usize, keep_first: bool) {
        let whole = (row / BLOCK).min(self.blocks.len());
        for block in self.blocks[..whole].iter_mut().skip(usize::from(keep_first)).rev() {
            if block.is_empty() {
                break;
            }
            let mut freed = std::mem::take(block);
            if (self.spare.len() + 1) * BLOCK * self.width <= SPARE {
                freed.clear();
                self.spare.push(freed);
            }
        }
    }

    /// Frees all rows and counts from 0 again.
    pub(crate) fn clear(&mut self) {
        let full = self.blocks.drain(..).filter(|block| !block.is_empty());
        self.spare.extend(full.map(|mut block| {
            block.clear();
            block
        }));
        self.spare.truncate(SPARE / (BLOCK * self.width.max(1)));
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_until_they_are_freed() {
        let mut rows = FrameBuffer::new(2);
        for clip in 0..3u16 {
            for t in 0..1_000u16 {
                rows.push(&[f32::from(t), f32::from(clip)]);
            }
            rows.free(600, true);
            assert_eq!((rows.row(255), rows.row(512)), (&[255.0, clip.into()][..], &[512.0, clip.into()][..]));
            assert_eq!(rows.blocks.iter().filter(|block| block.is_empty()).count(), 1, "rows 256 to 511");
            rows.clear();
            assert_eq!((rows.len(), rows.spare.len()), (0, 4), "the blocks are used again");
        }
    }

    #[test]
    fn little_is_kept_of_what_was_freed() {
        let mut rows = FrameBuffer::new(1_024);
        for _ in 0..4_000 {
            rows.push(&[1.0; 1_024]);
        }
        rows.free(2_000, false);
        assert_eq!(rows.spare.len(), 1);
        rows.clear();
        assert_eq!(rows.spare.len(), 1);
    }
}
