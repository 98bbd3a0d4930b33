//! The front end of the published AudioSet networks, with values by their authors' code: the folder
//! of EARMARK_AUDIOSET.
#![allow(clippy::unwrap_used, reason = "tests")]

mod published;

use earmark_features::{FrontEnd, Scaling};
use published::{folder, golden};

#[test]
fn the_log_mel_is_that_of_the_authors() {
    let Some(folder) = folder() else { return };
    let (front_end, scaling) = (FrontEnd::efficientat(), Scaling::efficientat());
    let extractor = front_end.extractor().unwrap();
    for clip in 0..4 {
        let (_, samples) = golden(&folder, &format!("wave{clip}"));
        let (shape, expected) = golden(&folder, &format!("mel{clip}"));
        let features = extractor.extract(&samples).unwrap();
        assert_eq!([features.bins, features.frames], shape[..]);
        let mut rows = features.rows();
        scaling.apply(&mut rows);
        let difference = rows.iter().zip(&expected).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        println!("clip {clip}: {difference:.1e}");
        assert!(difference <= 1e-4, "clip {clip}: {difference:.1e}");
    }
}
