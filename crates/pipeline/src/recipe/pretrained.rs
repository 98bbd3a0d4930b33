//! The keys of a learner that select the weights its network starts with.

use earmark_features::FrontEnd;
use earmark_nets::Source;
use earmark_tables::counted;
use earmark_training::LearnerSettings;

use crate::error::{PipelineError, Result, ensure};

/// Names of published weights in a recipe. Any other value is a path.
pub(crate) const PUBLISHED: [&str; 2] = ["imagenet", "audioset"];

/// Checks that published weights exist for a learner whose recipe names them, that they fit its
/// features, and the format of pins.
pub(super) fn validate(learner: &LearnerSettings, front_end: &FrontEnd) -> Result<()> {
    let named = learner.pretrained.as_deref().filter(|name| PUBLISHED.contains(name));
    let variant = named.map(|_| learner.variant()).transpose()?;
    let published = variant.zip(named).and_then(|(variant, name)| variant.start(name));
    let on_hub = published.is_some_and(|published| matches!(published.source, Source::Hub(_)));
    let (revision, sha256) = (&learner.pretrained_revision, &learner.pretrained_sha256);
    for (key, value, digits, fits, of) in [
        ("pretrained_revision", revision, 40, on_hub, "weights that are published on the hub"),
        ("pretrained_sha256", sha256, 64, learner.pretrained.is_some(), "`pretrained` weights"),
    ] {
        let Some(value) = value else { continue };
        let is_hex = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && value.len() == digits;
        let place = format!("learner {}: {key} = {value:?}", learner.name);
        ensure!(is_hex, Recipe, "{place}: must be {digits} lower-case hexadecimal digits");
        ensure!(fits, Recipe, "{place}: applies only to {of}");
    }
    let Some(name) = named else { return Ok(()) };
    let asked = || format!("learner {}: pretrained = {name:?}", learner.name);
    let Some(published) = published else {
        let others: Vec<&str> =
            variant.into_iter().flat_map(|variant| variant.starts()).map(|start| start.data).collect();
        let others = match others.is_empty() {
            true => format!("no weights of {} are published", learner.arch),
            false => {
                format!("the published weights of {} are pretrained = {:?}", learner.arch, others.join("\" or \""))
            }
        };
        return Err(PipelineError::Recipe(format!("{}: {others}", asked())));
    };
    // Filters of several channels can be summed up for one channel, but not adapted to any other
    // number.
    let (channels, learned) = (front_end.shape().0, published.channels);
    ensure!(
        channels == learned || channels == 1,
        Recipe,
        "{}: the published weights of {} take features of {}, not of {channels}{}",
        asked(),
        learner.arch,
        counted(learned, "channel"),
        if learned == 1 { "; set deltas = false" } else { "" }
    );
    Ok(())
}
