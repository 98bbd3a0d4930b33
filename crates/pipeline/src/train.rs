//! Training: from data to features, to jobs, and then to level 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use earmark_audio::SoundId;
use earmark_datasets::check::ignored;
use earmark_datasets::{ClipEntry, DatasetError, Manifest, Severity, Splits, open, violations};
use earmark_files::did_you_mean;
use earmark_loader::ClipFeatures;
use earmark_training::{LearnerSettings, Split, set_threads};

use crate::begin::{begin, completed, recipe_for};
use crate::checks::{check_labels, check_task};
use crate::embeddings::Embeddings;
use crate::error::{Context, PipelineError, Result};
use crate::evaluate::RunResults;
use crate::events::{CancelToken, Event, Note, Observer, Warning, note, warn};
use crate::features::{FeatureLoader, checksums};
use crate::jobs::{Cost, TrainingJob, used_clips};
use crate::level2::fit_level2;
use crate::options::{JobSelection, TrainOptions};
use crate::pretrained::{self, Places};
use crate::recipe::{ChosenRecipe, DataSettings, Recipe};
use crate::run::{Run, format};
use crate::runner::JobRunner;
use crate::statistics;
use crate::verified::Verifier;

/// The result of a training.
#[derive(Debug)]
pub struct Trained {
    /// The run.
    pub run: Run,
    /// The scores of the learners, their averages and the stack; `None` if only some jobs were
    /// selected.
    pub results: Option<RunResults>,
}

/// Trains the learners of a recipe on data, stacks them, and writes the bundle. If a run was
/// stopped or killed, the same call resumes it and keeps everything that is already done.
///
/// # Errors
/// [`PipelineError`]; [`PipelineError::Cancelled`] if `cancel` was cancelled while jobs ran.
/// After any error, the same call can continue the run.
pub fn train(options: &TrainOptions, observer: &dyn Observer, cancel: &CancelToken) -> Result<Trained> {
    let recipe = options.recipe_file().map(|file| file.display().to_string());
    let (data, out) = (options.data.display(), options.out.display());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), recipe, %data, %out, "the run begins");
    let prepared = Prepared::new(options, observer)?;
    let Prepared { recipe, embeddings, mut manifest, mut splits, verifier, reserve } = prepared;
    let of_data = || options.data.display().to_string();
    // All processes with a shard must select the same jobs, so the selection depends on the data as
    // listed, not on which clips can be decoded.
    let mut jobs = selected_jobs(options, &recipe, &manifest, &splits)?;
    Run::check_place(&options.out)?;
    let places = Places { recipe: options.recipe_folder(), hub: &options.hub, observer };
    let weights = pretrained::gather(&recipe, manifest.labels.len(), &places)?;
    pretrained::check(&options.out, &weights)?;
    let cache = options.cache_folder();
    let learners = jobs.iter().map(|job| job.learner.name.as_str());
    let loader = FeatureLoader::open(&recipe, learners, embeddings.networks(), &cache)?;
    let clips = load_all(&mut manifest, &loader, observer)?;
    let excluded = manifest.train.len() < splits.fold_of.len();
    let copies = !manifest.gives_folds() && group_copies(&mut manifest, &clips, format::of(&options.out)?);
    if excluded || copies {
        // Some clips that folds were drawn for are skipped, or must share a fold: draw all folds
        // again.
        let why = || match excluded {
            true => format!("{} of {} training clips are left", manifest.train.len(), splits.fold_of.len()),
            false => "folds are drawn with all copies of a clip in one of them".to_owned(),
        };
        splits = split(&manifest, &recipe).with_context(why).with_context(of_data)?;
        let folds = recipe.splits(splits.folds);
        jobs.retain(|job| folds.contains(&job.split));
    }
    if let Some(verifier) = &verifier {
        verifier.verify(&mut manifest, &clips.checksums, observer)?;
    }
    check_labels(&recipe, &manifest, &splits)?;
    warn_of_copies(&manifest, &splits, &clips.ids(), observer);
    let run = begin(&options.out, &recipe, &manifest, &splits, &clips.checksums)?;
    observer.event(&Event::RunStarted(&run.folder));
    if let Err(error) = run.store_sound_folders(options.sounds_folder(), &cache) {
        warn(observer, Warning::SoundsNotNoted(error.line()));
    }
    verifier.map(|verifier| verifier.store(&run)).transpose()?;
    pretrained::write(&options.out, &weights)?;
    embeddings.store(&run)?;
    statistics::save(&run, &recipe, &run.clips()?, &clips.features)?;

    let shared = loader.on_gpus(&clips.features, reserve);
    let runner = JobRunner {
        recipe: &recipe,
        manifest: &manifest,
        splits: &splits,
        loader: &loader,
        features: &clips.features,
        shared: &shared,
        weights: &weights,
        run: &run,
        observer,
        cancel,
    };
    let (devices, threads) = options.workers(jobs.len());
    set_threads(threads);
    options.configure(&recipe, &devices)?;
    runner.run_all(jobs, &devices)?;
    // Level 2 may need the memory.
    drop(shared);
    run.check_recipe(&recipe)?;
    let results = match options.selection {
        JobSelection::All => Some(fit_level2(&run, &options.devices[0])?),
        JobSelection::One(_) | JobSelection::Shard(_) => None,
    };
    tracing::info!(stacked = results.is_some(), "the run has ended");
    Ok(Trained { run, results })
}

/// The recipe and the data before any clip is decoded.
pub(crate) struct Prepared {
    pub recipe: Recipe,
    pub embeddings: Embeddings,
    pub manifest: Manifest,
    pub splits: Splits,
    pub verifier: Option<Verifier>,
    /// Bytes of a GPU's memory that any learner needs for a step.
    pub reserve: u64,
}

impl Prepared {
    /// Reads the recipe and the data set, and checks that they fit together.
    pub fn new(options: &TrainOptions, observer: &dyn Observer) -> Result<Self> {
        options.check()?;
        Run::check_files(&options.out)?;
        let (recipe, embeddings, manifest) = match options.recipe_file() {
            Some(file) => {
                if options.recipe.is_none() {
                    note(observer, Note::OwnRecipe { file: file.clone() });
                }
                let (recipe, embeddings, warnings) = recipe_for(&options.out, &file, observer)?;
                warnings.into_iter().for_each(|warning| warn(observer, warning));
                let manifest = open_data(options, &recipe.data)?;
                (recipe, embeddings, manifest)
            }
            None => {
                let manifest = open_data(options, &DataSettings::default())?;
                let ChosenRecipe { name, recipe, reason } = ChosenRecipe::for_data(&manifest)?;
                note(observer, Note::ChosenRecipe { name, reason });
                let (recipe, embeddings) = completed(recipe, name, Path::new(""), &options.out)?;
                (recipe, embeddings, manifest)
            }
        };
        check_task(options, &recipe, manifest.task)?;
        warn_of_data(options, &recipe, &manifest, observer);
        let splits = split(&manifest, &recipe).with_context(|| options.data.display().to_string())?;
        let verifier =
            options.verified_by.as_deref().map(|folder| Verifier::open(folder, manifest.task)).transpose()?;
        if verifier.is_none() {
            check_labels(&recipe, &manifest, &splits)?;
        }
        let reserve = options.check_memory(&recipe, &manifest)?;
        Ok(Self { recipe, embeddings, manifest, splits, verifier, reserve })
    }
}

/// Puts copies into one fold: clips with the same sound or, in runs of format 0, with the same
/// file.
fn group_copies(manifest: &mut Manifest, clips: &DecodedClips, format: u32) -> bool {
    match format {
        0 => manifest.group_copies(&clips.checksums.iter().map(Some).collect::<Vec<_>>()),
        _ => manifest.group_copies(&clips.ids()),
    }
}

fn open_data(options: &TrainOptions, settings: &DataSettings) -> Result<Manifest> {
    let mut reading = options.open.clone();
    let pattern = |key: &str, text: &Option<String>| {
        text.as_deref().map(regex::Regex::new).transpose().with_context(|| format!("data.{key}"))
    };
    if reading.folds_from.is_none() {
        reading.folds_from = pattern("folds_from", &settings.folds_from)?;
    }
    if reading.groups_from.is_none() {
        reading.groups_from = pattern("groups_from", &settings.groups_from)?;
    }
    Ok(open(&options.data, &reading)?)
}

/// The number of warnings about the data that are reported; `earmark data check` lists all.
const WARNINGS: usize = 5;

/// Warns about suspicious data, such as labels that look alike, and about audio files in the data's
/// folder that are not used. None of this stops a training for which the data set is complete.
fn warn_of_data(options: &TrainOptions, recipe: &Recipe, manifest: &Manifest, observer: &dyn Observer) {
    let data = options.data.display();
    let found = violations(manifest, recipe.data.folds);
    let found = found.iter().filter(|found| found.severity == Severity::Warning);
    let mut warnings: Vec<String> = found.map(|found| found.reason.to_string()).collect();
    if options.data.is_dir() {
        let ignored = ignored(manifest, &options.data);
        warnings.extend(ignored.unreadable.iter().map(|error| format!("{error}; what it holds is ignored")));
        let what = match ignored.files {
            0 => None,
            1 => Some("audio file that is"),
            _ => Some("audio files that are"),
        };
        warnings.extend(what.map(|what| {
            format!(
                "ignoring {} {what} in no class folder and in no CSV; `earmark data check {data}` lists them",
                ignored.files
            )
        }));
    }
    let more = warnings.len().saturating_sub(WARNINGS);
    warnings.into_iter().take(WARNINGS).for_each(|warning| warn(observer, Warning::Data(warning)));
    if more > 0 {
        warn(observer, Warning::MoreOfData { count: more, data: options.data.clone() });
    }
}

/// The folds that the data set provides, or drawn ones.
fn split(manifest: &Manifest, recipe: &Recipe) -> Result<Splits> {
    Ok(Splits::of_data(manifest, recipe.data.folds, recipe.seed)?)
}

/// The clips that could be decoded, training clips first.
struct DecodedClips {
    features: Vec<ClipFeatures>,
    /// The SHA-256 of their files.
    checksums: Vec<String>,
}

impl DecodedClips {
    /// The identifiers by which copies are recognized; silent clips have none.
    fn ids(&self) -> Vec<Option<SoundId>> {
        self.features.iter().map(|clip| clip.sound).collect()
    }
}

/// Decodes training and test clips, and removes skipped ones from the manifest.
///
/// # Errors
/// Those of [`FeatureLoader::load`]; all clips of a fold that the data set provides are skipped.
fn load_all(manifest: &mut Manifest, loader: &FeatureLoader, observer: &dyn Observer) -> Result<DecodedClips> {
    let entries: Vec<ClipEntry> = manifest.train.iter().chain(&manifest.test).cloned().collect();
    let mut checksums = checksums(&entries, observer)?;
    let clips = loader.load(&entries, &checksums, observer)?;
    let decoded: Vec<bool> = clips.iter().map(Option::is_some).collect();
    let (in_train, in_test) = decoded.split_at(manifest.train.len());
    keep(&mut checksums, &decoded);
    let folds =
        |manifest: &Manifest| -> BTreeSet<usize> { manifest.train.iter().filter_map(|clip| clip.fold).collect() };
    let before = folds(manifest);
    keep(&mut manifest.train, in_train);
    let empty: Vec<usize> = before.difference(&folds(manifest)).copied().collect();
    if !empty.is_empty() {
        return Err(DatasetError::EmptyFolds { folds: empty }).context("clips that cannot be decoded are skipped");
    }
    keep(&mut manifest.test, in_test);
    Ok(DecodedClips { features: clips.into_iter().flatten().collect(), checksums })
}

/// Warns about copies of one sound, in the same or different files. Copies in several folds of the
/// data set, or among the test clips, mean that networks are scored on sounds that they were
/// trained on. If copies have different labels, one of the labels is wrong.
fn warn_of_copies(manifest: &Manifest, splits: &Splits, sounds: &[Option<SoundId>], observer: &dyn Observer) {
    let (of_train, of_test) = sounds.split_at(splits.fold_of.len());
    let mut first = BTreeMap::new();
    let known = splits.fold_of.iter().zip(of_train).filter_map(|(fold, sound)| Some((*fold, (*sound)?)));
    let split_apart = known.filter(|(fold, sound)| *first.entry(*sound).or_insert(*fold) != *fold).count();
    let in_test = of_test.iter().flatten().filter(|sound| first.contains_key(sound)).count();
    let mut labels = BTreeMap::new();
    let labelled = manifest.train.iter().zip(of_train).filter_map(|(item, sound)| Some((&item.labels, (*sound)?)));
    let mislabelled = labelled.filter(|(label, sound)| *labels.entry(*sound).or_insert(*label) != *label).count();
    let too_high = ", so scores would be too high";
    for (count, one, many, why) in [
        (
            split_apart,
            "training clip is a copy of a clip in another fold",
            "training clips are copies of clips in other folds",
            too_high,
        ),
        (in_test, "test clip is a copy of a training clip", "test clips are copies of training clips", too_high),
        (
            mislabelled,
            "training clip is a copy of a clip with another label",
            "training clips are copies of clips with other labels",
            ": correct the labels, or remove the copies",
        ),
    ] {
        if count > 0 {
            let what = if count == 1 { one } else { many };
            let warning = format!("{count} {what}{why}; `earmark data check` lists them");
            warn(observer, Warning::Copies(warning));
        }
    }
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

/// The selected jobs, in the order in which they begin.
pub(crate) fn selected_jobs<'a>(
    options: &TrainOptions,
    recipe: &'a Recipe,
    manifest: &Manifest,
    splits: &Splits,
) -> Result<Vec<TrainingJob<'a>>> {
    let all = recipe.splits(splits.folds);
    let job = |learner: &'a LearnerSettings, split: &Split| TrainingJob { learner, split: *split };
    let mut jobs: Vec<TrainingJob> =
        recipe.learners.iter().flat_map(|learner| all.iter().map(move |split| job(learner, split))).collect();
    match &options.selection {
        JobSelection::All => {}
        JobSelection::One(name) => {
            jobs.retain(|job| job.name() == *name);
            if jobs.is_empty() {
                let learners: Vec<&str> = recipe.learners.iter().map(|learner| learner.name.as_str()).collect();
                let splits: Vec<String> = all.iter().map(Split::to_string).collect();
                let of_learner = |learner: &&str| splits.iter().map(|split| format!("{learner}/{split}")).collect();
                let known: Vec<String> = learners.iter().flat_map::<Vec<String>, _>(of_learner).collect();
                return Err(PipelineError::Options(format!(
                    "--job {name}: expected LEARNER/SPLIT; the learners are {}, the splits {}{}",
                    learners.join(", "),
                    splits.join(", "),
                    did_you_mean(name, &known)
                )));
            }
        }
        JobSelection::Shard(shard) => {
            let cost = |job: &TrainingJob| -> Result<u64> {
                let clips = used_clips(job.learner, recipe, manifest, splits, job.split);
                Ok(Cost::new(recipe, job.learner, clips, 0)?.train)
            };
            let costs = jobs.iter().map(cost).collect::<Result<Vec<_>>>()?;
            keep(&mut jobs, &shard.selects(&costs));
        }
    }
    Ok(jobs)
}
