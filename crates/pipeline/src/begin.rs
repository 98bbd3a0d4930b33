//! How a run begins, and how the same command resumes it: its recipe, labels and clips.

use std::collections::BTreeSet;
use std::path::Path;

use earmark_datasets::{ClipEntry, Manifest, Splits, Task};
use toml::Value;

use crate::changes::{RecipeChanges, clip_changes, listed, with_learners_of};
use crate::embeddings::Embeddings;
use crate::error::{Context, PipelineError, Result};
use crate::events::{Note, Observer, Warning, note};
use crate::recipe::{Recipe, shipped, shipped_names};
use crate::run::{CLIPS, ClipRow, LABEL_SEPARATOR, LABELS, LOCK, RECIPE, Run, fold_count, format};

/// Reads the recipe in `file`, or the one of Earmark's own that has this name if there is no such
/// file, for a run in `folder`; the result is that of [`completed`], and a warning for each key
/// that has its former name.
///
/// # Errors
/// There is no such recipe, it is invalid, and those of [`completed`].
pub(crate) fn recipe_for(
    folder: &Path,
    file: &Path,
    observer: &dyn Observer,
) -> Result<(Recipe, Embeddings, Vec<Warning>)> {
    let (recipe, warnings) = match shipped(file) {
        _ if file.exists() => Recipe::read_with_warnings(file)?,
        Some((name, text)) => {
            note(observer, Note::ShippedRecipe { name });
            Recipe::parse_with_warnings(text)?
        }
        None => return Err(PipelineError::NoRecipe { file: file.to_owned(), shipped: shipped_names() }),
    };
    let base = file.parent().unwrap_or(Path::new(""));
    let (recipe, embeddings) = completed(recipe, &file.display().to_string(), base, folder)?;
    Ok((recipe, embeddings, warnings))
}

/// Completes a recipe for a run in `folder`. Keys that the recipe does not set keep the defaults of
/// the version that began the run; the models of its embeddings are found, relative to `base`;
/// `name` is the recipe in errors. If the run already has a different recipe, this fails before any
/// clip is decoded.
///
/// # Errors
/// A model is missing; the run has a newer format, or a recipe that differs in more than new
/// learners.
pub(crate) fn completed(recipe: Recipe, name: &str, base: &Path, folder: &Path) -> Result<(Recipe, Embeddings)> {
    let mut recipe = recipe.with_defaults_of(format::of(folder)?);
    let embeddings = Embeddings::find(&mut recipe, base, folder)?;
    recipe.validate().with_context(|| format!("recipe {name}"))?;
    let run = Run::at(folder);
    if run.path(CLIPS).exists() {
        run.recipe_changes(&recipe)?;
        run.check_trained()?;
    }
    Ok((recipe, embeddings))
}

/// Begins the run in `folder`, or continues it; learners may be added. `sha256` holds the checksums
/// of the clips' files, training clips first. Processes that begin the same run wait for each
/// other: the first one determines its recipe, labels and clips.
///
/// # Errors
/// The folder cannot be written to, or holds a run with a different recipe, labels or clips.
pub(crate) fn begin(
    folder: &Path,
    recipe: &Recipe,
    manifest: &Manifest,
    splits: &Splits,
    sha256: &[String],
) -> Result<Run> {
    let run = Run::at(folder);
    let _lock = run.wait_for_lock(LOCK)?;
    let clips = clip_rows(manifest, splits, sha256);
    if run.path(CLIPS).exists() {
        run.recipe_changes(recipe)?;
        run.check_clips(manifest, &clips)?;
        let before = earmark_files::read_to_string(&run.path(RECIPE))?;
        if let Some(text) = with_learners_of(&before, recipe)? {
            earmark_files::write_atomic(&run.path(RECIPE), text.as_bytes())?;
        }
    } else {
        format::write(folder, manifest.task)?;
        earmark_files::write_atomic(&run.path(RECIPE), toml::to_string(&recipe.complete()?)?.as_bytes())?;
        earmark_files::write_atomic(&run.path(LABELS), (manifest.labels.join("\n") + "\n").as_bytes())?;
        // Last: a folder without this file is not a run yet.
        earmark_files::write_atomic(&run.path(CLIPS), &clips_csv(&clips)?)?;
    }
    run.compute_identity()?;
    Ok(run)
}

impl Run {
    /// The recipe that the run was begun with, plus the learners that were added later.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn recipe(&self) -> Result<Recipe> {
        Recipe::read(&self.path(RECIPE))
    }

    /// Checks that the run still has every learner of a recipe that it was begun or continued with.
    ///
    /// # Errors
    /// [`PipelineError::LearnersRemoved`].
    pub(crate) fn check_recipe(&self, recipe: &Recipe) -> Result<()> {
        let learners = RecipeChanges::between(&self.recipe()?, recipe)?.new_learners;
        match learners.is_empty() {
            true => Ok(()),
            false => Err(PipelineError::LearnersRemoved { folder: self.folder.clone(), learners }),
        }
    }

    /// Checks that a recipe differs only in learners that are new or were never trained.
    ///
    /// # Errors
    /// It differs in other keys; the error lists them with both values.
    fn recipe_changes(&self, recipe: &Recipe) -> Result<()> {
        let of_run = self.recipe()?;
        let splits = of_run.splits(fold_count(&self.clips()?));
        let mut changes = RecipeChanges::between(&of_run, recipe)?;
        // A learner that was never trained, such as one that diverged when it was added, can be
        // removed.
        changes.gone_learners.retain(|learner| self.is_trained(learner, &splits));
        let gone = changes.gone_learners.iter().map(|name| format!("learners.{name}: only in the run"));
        changes.differences.extend(gone.collect::<Vec<_>>());
        if changes.differences.is_empty() {
            return Ok(());
        }
        let folder = self.folder.display();
        let remedy = match changes.level2_alone() {
            true => format!("change `[stack]` in {folder}/{RECIPE} likewise and run `earmark stack {folder}`"),
            false => "choose another --out, or restore these settings in the recipe".to_owned(),
        };
        let differences = listed(&changes.differences);
        Err(PipelineError::OtherRecipe { folder: self.folder.clone(), differences, remedy })
    }

    /// Checks that all jobs that are done were trained with the settings that the run has now: its
    /// files may have been edited.
    ///
    /// # Errors
    /// [`PipelineError::OtherSettings`] with these jobs, before any clip is decoded.
    fn check_trained(&self) -> Result<()> {
        let recipe = self.recipe()?;
        let splits = recipe.splits(fold_count(&self.clips()?));
        let (mut jobs, mut differences) = (Vec::new(), BTreeSet::new());
        for learner in &recipe.learners {
            for split in &splits {
                let Some(other) = self.trained_with_others(&learner.name, *split)? else { continue };
                jobs.push(format!("{}/{split}", learner.name));
                let keys = match &other.settings {
                    Some((then, now)) => {
                        let places = ["when they were trained", "now"];
                        let [then, now] = [Value::try_from(then)?, Value::try_from(now)?];
                        RecipeChanges::of_values(places, &then, &now).differences
                    }
                    None => Vec::new(),
                };
                differences.extend(if keys.is_empty() { vec![format!("{} has changed", other.files)] } else { keys });
            }
        }
        match jobs.is_empty() {
            true => Ok(()),
            false => {
                let differences = listed(&differences.into_iter().collect::<Vec<_>>());
                Err(PipelineError::OtherSettings { folder: self.folder.clone(), jobs, differences })
            }
        }
    }

    fn check_clips(&self, manifest: &Manifest, clips: &[ClipRow]) -> Result<()> {
        let other = |differences: String| PipelineError::OtherData { folder: self.folder.clone(), differences };
        let several = |task| if task == Task::MultiLabel { "may have several labels" } else { "have one label each" };
        let (here, there) = (manifest.task, self.task()?);
        if here != there {
            return Err(other(format!("clips {} here, and {} there", several(here), several(there))));
        }
        if let Some(changes) = clip_changes(&self.clips()?, clips) {
            return Err(other(changes));
        }
        match self.labels()? == manifest.labels {
            true => Ok(()),
            false => Err(other(format!("the classes are not those of {LABELS}"))),
        }
    }
}

/// All clips of a data set: training clips, then test clips.
fn clip_rows(manifest: &Manifest, splits: &Splits, sha256: &[String]) -> Vec<ClipRow> {
    let train = manifest.train.iter().zip(&splits.fold_of).map(|(clip, &fold)| (clip, "train", Some(fold)));
    let clips = train.chain(manifest.test.iter().map(|clip| (clip, "test", None)));
    let label = |clip: &ClipEntry| {
        let labels = clip.labels.iter().map(|label| manifest.labels[*label].as_str());
        labels.collect::<Vec<_>>().join(&LABEL_SEPARATOR.to_string())
    };
    let row = |((clip, set, fold), sha256): ((&ClipEntry, &str, _), &String)| ClipRow {
        fname: clip.name.clone(),
        set: set.to_owned(),
        label: label(clip),
        verified: clip.verified,
        fold,
        sha256: sha256.clone(),
    };
    clips.zip(sha256).map(row).collect()
}

fn clips_csv(clips: &[ClipRow]) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    clips.iter().try_for_each(|clip| csv.serialize(clip))?;
    into_bytes(csv)
}

/// The bytes that a CSV writer wrote to memory.
pub(crate) fn into_bytes(csv: csv::Writer<Vec<u8>>) -> Result<Vec<u8>> {
    csv.into_inner().map_err(|error| PipelineError::Format(Box::new(error.into_error())))
}
