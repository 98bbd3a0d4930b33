//! Which tags are written.

use earmark_tagging::{Tag, Tagger};

use crate::args::Which;
use crate::commands::detection::wanted;

/// Tags of a clip if it has one label.
const TOP: usize = 3;

/// Which tags are written.
pub struct Selection {
    which: Which,
    /// For each class, whether it is wanted.
    wanted: Vec<bool>,
}

impl Selection {
    /// # Errors
    /// A label that the model does not have.
    pub fn new(which: &Which, tagger: &Tagger) -> anyhow::Result<Self> {
        Ok(Self { which: which.clone(), wanted: wanted(&which.classes, tagger)? })
    }

    /// Whether an event is wanted.
    pub fn has(&self, class: usize, score: f32) -> bool {
        self.wanted[class] && score >= self.which.min_score
    }

    /// The wanted tags of a clip or window, the most probable first; `tags` has one for each class
    /// in any order.
    pub fn of_clip(&self, mut tags: Vec<Tag>) -> Vec<Tag> {
        let Which { all, top, min_score, classes } = &self.which;
        tags.retain(|tag| classes.is_empty() || classes.contains(&tag.label));
        // The sort is stable, so classes with equal scores keep their order.
        tags.sort_by(|a, b| b.score.total_cmp(&a.score));
        if !all {
            let has_thresholds = tags.iter().any(|tag| tag.threshold.is_some());
            tags.retain(Tag::is_given);
            let most = top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
            tags.truncate(most.unwrap_or(if has_thresholds { usize::MAX } else { TOP }));
        }
        tags.retain(|tag| tag.score >= *min_score);
        tags
    }
}
