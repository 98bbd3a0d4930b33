//! `earmark train`: sounds to features, jobs, and then level 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use earmark_datasets::check::ignored;
use earmark_datasets::{ClipEntry, ClipFeatures, DatasetError, Manifest, Severity, SoundId, Splits, open, violations};
use earmark_stacking::check_folds;
use earmark_training::{LearnerSettings, MOST_CLIPS, TrainingError, check_device, set_threads};

use crate::args::Train;
use crate::pretrained::Places;
use crate::progress::Bars;
use crate::recipe::Recipe;
use crate::run::{self, CACHE, Run};
use crate::schedule::{check_together, workers};
use crate::sounds::{Ears, sums};
use crate::verified::Verifier;
use crate::work::{Cost, Task, Work, learned_from};
use crate::{output, place, plan, pretrained, report, results, stack, statistics};

pub fn run(options: &Train) -> anyhow::Result<()> {
    place::check("--out", &options.out)?;
    options.cache.as_deref().map_or(Ok(()), |cache| place::check("--cache", cache))?;
    let recipe = Run::recipe_for(&options.out, &options.recipe)?;
    apart(&options.data, &options.out)?;
    check_together(&options.device)?;
    options.device.iter().try_for_each(|device| check_device(device))?;
    let bars = Bars::new(!options.no_progress, options.verbose);

    let mut manifest = open_data(options, &recipe)?;
    warn_of_data(options, &recipe, &manifest, &bars);
    let of_data = || options.data.display().to_string();
    let mut splits = split(&manifest, &recipe).with_context(of_data)?;
    let verifier = options.verified_by.as_deref().map(Verifier::open).transpose()?;
    if verifier.is_none() {
        check_labels(&recipe, &manifest, &splits)?;
    }
    // Every process that has a shard deals them alike: by the data as they are told, not as they can be heard.
    let mut tasks =
        dealt(all_tasks(&recipe, splits.folds, options.job.as_deref())?, options, &recipe, &manifest, &splits)?;
    if options.plan {
        return plan::run(options, &recipe, &manifest, &splits, &tasks, &bars);
    }
    Run::check_place(&options.out)?;
    let origins = pretrained::gather(&recipe, manifest.labels.len(), &places(options))?;
    pretrained::check(&options.out, &origins)?;
    let cache: PathBuf = options.cache.clone().unwrap_or_else(|| options.out.join(CACHE));
    let ears = Ears::open(&recipe, tasks.iter().map(|task| task.learner.name.as_str()), &cache)?;
    let sounds = hear_all(&mut manifest, &ears, &bars)?;
    let excluded = manifest.train.len() < splits.fold_of.len();
    let copies = !manifest.gives_folds() && group_copies(&mut manifest, &sounds, run::format::of(&options.out)?);
    if excluded || copies {
        // Of the clips that were drawn some are left out, or some must share a fold: all are drawn anew.
        let left = || match excluded {
            true => format!("{} of {} training clips are left", manifest.train.len(), splits.fold_of.len()),
            false => "folds are drawn with all copies of a clip in one of them".to_owned(),
        };
        splits = split(&manifest, &recipe).with_context(left).with_context(of_data)?;
        let folds = recipe.splits(splits.folds);
        tasks.retain(|task| folds.contains(&task.split));
    }
    if let Some(verifier) = &verifier {
        verifier.take_over(&mut manifest, &sounds.sums, &bars)?;
    }
    check_labels(&recipe, &manifest, &splits)?;
    warn_of_copies(&manifest, &splits, &sounds.ids(), &bars);
    let run = Run::begin(&options.out, &recipe, &manifest, &splits, &sounds.sums)?;
    if let Err(error) = report::remember(&run, options, &cache) {
        bars.line(&format!("warning: the report will not find the sounds: {}", output::message(&error)));
    }
    verifier.map(|verifier| verifier.remember(&run)).transpose()?;
    pretrained::write(&options.out, &origins)?;
    statistics::save(&run, &recipe, &sounds.clips)?;

    let work = Work {
        recipe: &recipe,
        manifest: &manifest,
        splits: &splits,
        ears: &ears,
        sounds: &sounds.clips,
        origins: &origins,
        run: &run,
        bars: &bars,
    };
    let (devices, threads) = spread(options, tasks.len());
    set_threads(threads);
    work.run_all(tasks, &devices)?;
    run.check_recipe(&recipe)?;
    if options.job.is_some() || options.shard.is_some() {
        return Ok(());
    }
    results::print(&stack::finish(&run)?, options.json)
}

/// Puts copies into one fold: clips of one sound; in runs of format 0, as when they began, of one
/// file.
fn group_copies(manifest: &mut Manifest, sounds: &Sounds, format: u32) -> bool {
    match format {
        0 => manifest.group_copies(&sounds.sums.iter().map(Some).collect::<Vec<_>>()),
        _ => manifest.group_copies(&sounds.ids()),
    }
}

/// A run among the sounds would be taken for sounds the next time, and removed with them.
fn apart(data: &Path, out: &Path) -> anyhow::Result<()> {
    let (data, out) = (data.canonicalize(), out.canonicalize());
    let same = data.ok().zip(out.ok()).filter(|(data, out)| data == out);
    anyhow::ensure!(same.is_none(), "--out is the folder of the data; give the run one of its own");
    Ok(())
}

/// The device of each worker, and the threads of each.
pub fn spread(options: &Train, jobs: usize) -> (Vec<&str>, usize) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(cores).max(1);
    let devices = workers(&options.device, options.jobs, threads, jobs);
    let each = (threads / devices.len()).max(1);
    (devices, each)
}

/// Where weights are looked for: files from the recipe's folder on.
fn places(options: &Train) -> Places<'_> {
    let recipe = options.recipe.parent().unwrap_or(Path::new(""));
    Places { recipe, hub: &options.hub, bars: !options.no_progress }
}

fn open_data(options: &Train, recipe: &Recipe) -> anyhow::Result<Manifest> {
    let mut reading = options.reading.clone();
    reading.folds_from = reading.folds_from.or_else(|| recipe.data.folds_from.clone());
    reading.groups_from = reading.groups_from.or_else(|| recipe.data.groups_from.clone());
    Ok(open(&options.data, &reading.options()?)?)
}

/// Warnings that are printed; `earmark data check` lists all.
const WARNINGS: usize = 5;

/// Warns of labels that look alike and the like, and of audio files below the data's folder that
/// are not used. Nothing here stops a training that the data set describes fully.
fn warn_of_data(options: &Train, recipe: &Recipe, manifest: &Manifest, bars: &Bars) {
    let data = options.data.display();
    let found = violations(manifest, recipe.data.folds);
    let found = found.iter().filter(|found| found.severity == Severity::Warning);
    let mut warnings: Vec<String> = found.map(|found| found.reason.to_string()).collect();
    if options.data.is_dir() {
        let ignored = ignored(manifest, &options.data);
        warnings.extend(ignored.unreadable.iter().map(|error| format!("{error}; what it holds is ignored")));
        if ignored.files > 0 {
            let files = if ignored.files == 1 { "audio file" } else { "audio files" };
            let what = if ignored.files == 1 {
                "belongs to no class folder and appears"
            } else {
                "belong to no class folder and appear"
            };
            warnings.push(format!(
                "ignoring {} {files} that {what} in no CSV; `earmark data check {data}` lists them",
                ignored.files
            ));
        }
    }
    warnings.iter().take(WARNINGS).for_each(|warning| bars.line(&format!("warning: {warning}")));
    if warnings.len() > WARNINGS {
        bars.line(&format!("warning: and {} more; `earmark data check {data}` lists them", warnings.len() - WARNINGS));
    }
}

/// The folds that the data bring; without any, drawn ones.
fn split(manifest: &Manifest, recipe: &Recipe) -> anyhow::Result<Splits> {
    Ok(Splits::of_data(manifest, recipe.data.folds, recipe.seed)?)
}

/// Whether the labels, and how much they count, are enough for level 2 and for kernels, before
/// anything is decoded or trained. What holds of every recipe, [`violations`] has said: each class
/// is in two folds at least, so [`check_folds`] passes where all clips count and no fold is held
/// out inside. It refuses more only for what a recipe adds: `unverified_weight = 0`, `calibrate`,
/// `early_stopping_rounds`.
fn check_labels(recipe: &Recipe, manifest: &Manifest, splits: &Splits) -> anyhow::Result<()> {
    let truth: Vec<usize> = manifest.train.iter().filter_map(|item| item.label).collect();
    let verified: Vec<bool> = manifest.train.iter().map(|item| item.verified).collect();
    let weights = recipe.stack.weights(&verified);
    check_folds(&truth, &splits.fold_of, &weights, &manifest.labels, &recipe.stack)
        .context("level 2 could not learn from these clips")?;
    for learner in &recipe.learners {
        for split in recipe.splits(splits.folds) {
            let clips = learned_from(learner, recipe, manifest, splits, &split);
            let why =
                if learner.unverified_weight > 0.0 { "" } else { ": unverified_weight = 0 leaves out the others" };
            anyhow::ensure!(clips >= 2, "learner {}: {split} has {clips} clips to learn from{why}", learner.name);
            if learner.is_kernel() && clips > MOST_CLIPS {
                let error = TrainingError::TooManyClips { clips, most: MOST_CLIPS };
                return Err(error).with_context(|| format!("learner {}", learner.name));
            }
        }
    }
    Ok(())
}

/// The clips that could be decoded, training clips first, and the SHA-256 of their files.
struct Sounds {
    clips: Vec<ClipFeatures>,
    sums: Vec<String>,
}

impl Sounds {
    /// By what copies are known; silent clips have none.
    fn ids(&self) -> Vec<Option<SoundId>> {
        self.clips.iter().map(|clip| clip.sound).collect()
    }
}

/// Decodes training and test clips; skipped ones leave the manifest.
///
/// # Errors
/// Those of [`Ears::hear`]; all clips of a fold that the data give are skipped.
fn hear_all(manifest: &mut Manifest, ears: &Ears, bars: &Bars) -> anyhow::Result<Sounds> {
    let items: Vec<ClipEntry> = manifest.train.iter().chain(&manifest.test).cloned().collect();
    let mut sums = sums(&items, bars)?;
    let clips = ears.hear(&items, &sums, bars)?;
    let heard: Vec<bool> = clips.iter().map(Option::is_some).collect();
    let (in_train, in_test) = heard.split_at(manifest.train.len());
    keep(&mut sums, &heard);
    let folds =
        |manifest: &Manifest| -> BTreeSet<usize> { manifest.train.iter().filter_map(|item| item.fold).collect() };
    let before = folds(manifest);
    keep(&mut manifest.train, in_train);
    let empty: Vec<usize> = before.difference(&folds(manifest)).copied().collect();
    if !empty.is_empty() {
        return Err(DatasetError::EmptyFolds { folds: empty }).context("clips that cannot be decoded are skipped");
    }
    keep(&mut manifest.test, in_test);
    Ok(Sounds { clips: clips.into_iter().flatten().collect(), sums })
}

/// Warns of copies of one sound, in whatever files: in several folds that the data give, or among
/// the test clips, where networks that were trained on one of them are scored on another; and with
/// different labels, of which one is wrong.
fn warn_of_copies(manifest: &Manifest, splits: &Splits, sounds: &[Option<SoundId>], bars: &Bars) {
    let (of_train, of_test) = sounds.split_at(splits.fold_of.len());
    let mut first = BTreeMap::new();
    let known = splits.fold_of.iter().zip(of_train).filter_map(|(fold, sound)| Some((*fold, (*sound)?)));
    let torn = known.filter(|(fold, sound)| *first.entry(*sound).or_insert(*fold) != *fold).count();
    let in_test = of_test.iter().flatten().filter(|sound| first.contains_key(sound)).count();
    let mut labels = BTreeMap::new();
    let labelled = manifest.train.iter().zip(of_train).filter_map(|(item, sound)| Some((item.label, (*sound)?)));
    let mislabelled = labelled.filter(|(label, sound)| *labels.entry(*sound).or_insert(*label) != *label).count();
    let too_high = ", so scores would be too high";
    for (count, one, many, why) in [
        (
            torn,
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
            bars.line(&format!("warning: {count} {what}{why}; `earmark data check` lists them"));
        }
    }
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

/// The jobs asked for: all, or the one named `request`.
fn all_tasks<'a>(recipe: &'a Recipe, folds: usize, request: Option<&str>) -> anyhow::Result<Vec<Task<'a>>> {
    let splits = recipe.splits(folds);
    let task = |learner: &'a LearnerSettings, split: &String| Task { learner, split: split.clone() };
    let mut tasks: Vec<Task> =
        recipe.learners.iter().flat_map(|learner| splits.iter().map(move |split| task(learner, split))).collect();
    let Some(request) = request else { return Ok(tasks) };
    tasks.retain(|task| task.name() == request);
    if tasks.is_empty() {
        let learners: Vec<&str> = recipe.learners.iter().map(|learner| learner.name.as_str()).collect();
        anyhow::bail!("--job {request}: the learners are {}, the splits {}", learners.join(", "), splits.join(", "));
    }
    Ok(tasks)
}

/// The jobs of the shard that is asked for; all of them, if none is.
fn dealt<'a>(
    mut tasks: Vec<Task<'a>>,
    options: &Train,
    recipe: &Recipe,
    manifest: &Manifest,
    splits: &Splits,
) -> anyhow::Result<Vec<Task<'a>>> {
    let Some(shard) = options.shard else { return Ok(tasks) };
    let learn = |task: &Task| -> anyhow::Result<u64> {
        let clips = learned_from(task.learner, recipe, manifest, splits, &task.split);
        Ok(Cost::of(recipe, task.learner, clips, 0)?.learn)
    };
    let costs = tasks.iter().map(learn).collect::<anyhow::Result<Vec<_>>>()?;
    let mut taken = shard.takes(&costs).into_iter();
    tasks.retain(|_| taken.next().unwrap_or(false));
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use earmark_datasets::random::{key, stream};
    use earmark_stacking::{Kind, StackSettings};

    use super::*;

    /// A data set of a few clips, classes and folds.
    fn drawn(seed: u64) -> Manifest {
        let order = earmark_datasets::epoch_order(12, &mut stream(seed, &[key("agree")]));
        let classes = 2 + order[0] % 2;
        let item = |(clip, draw): (usize, &usize)| ClipEntry {
            name: clip.to_string(),
            path: PathBuf::new(),
            label: Some(if clip < classes { clip } else { draw % classes }),
            verified: true,
            fold: (!seed.is_multiple_of(3)).then_some(draw / 4),
            group: (seed % 4 > 1).then(|| (draw / 2).to_string()),
            usage: None,
        };
        let train = order.iter().take(4 + order[1] % 8).enumerate().map(item).collect();
        let labels = ["a", "b", "c"][..classes].iter().map(|&label| label.to_owned()).collect();
        Manifest { labels, train, test: Vec::new(), excluded: 0, groups_span_folds: false }
    }

    #[test]
    fn level_2_takes_what_the_rules_take() {
        let (mut taken, mut refused) = (0, 0);
        for manifest in (0..3_000).map(drawn) {
            let truth: Vec<usize> = manifest.train.iter().filter_map(|item| item.label).collect();
            let weights = vec![1.0; truth.len()];
            if violations(&manifest, 2).iter().any(|found| found.severity == Severity::Error) {
                refused += 1;
                continue;
            }
            taken += 1;
            let splits = Splits::of_data(&manifest, 2, 0).unwrap();
            for kind in [Kind::Xgboost, Kind::Logistic, Kind::Mean] {
                let settings = StackSettings { kind, ..StackSettings::default() };
                check_folds(&truth, &splits.fold_of, &weights, &manifest.labels, &settings).unwrap();
            }
        }
        assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused");
    }
}
