//! `earmark train`: sounds to features, jobs, and then level 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use earmark_datasets::{Heard, Item, Manifest, Splits, open, sound_files};
use earmark_stacking::check_folds;
use earmark_training::{LearnerSettings, MOST_CLIPS, TrainingError, check_device, set_threads};

use crate::args::Train;
use crate::pretrained::Places;
use crate::progress::Bars;
use crate::recipe::Recipe;
use crate::run::{CACHE, Run};
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
    tell_passed_over(options, &manifest, &bars)?;
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
    let left_out = manifest.train.len() < splits.of.len();
    let copies = are_drawn(&manifest) && manifest.group_copies(&sounds.sums);
    if left_out || copies {
        // Of the clips that were drawn some are left out, or some must share a fold: all are drawn anew.
        let left = || match left_out {
            true => format!("{} of {} training clips are left", manifest.train.len(), splits.of.len()),
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
    tell_copies(&splits, &sounds.sums, &bars);
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
    if options.job.is_some() || options.shard.is_some() {
        return Ok(());
    }
    results::print(&stack::finish(&run)?, options.json)
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

/// Tells of sound below the data's folder that is in no class and no table.
fn tell_passed_over(options: &Train, manifest: &Manifest, bars: &Bars) -> anyhow::Result<()> {
    if !options.data.is_dir() {
        return Ok(());
    }
    let items: BTreeSet<&Path> = manifest.train.iter().chain(&manifest.test).map(|item| item.path.as_path()).collect();
    let sounds = sound_files(&options.data)?;
    let others = sounds.iter().filter(|path| !items.contains(path.as_path())).count();
    let others = others.saturating_sub(manifest.left_out);
    if others > 0 {
        let data = options.data.display();
        bars.line(&format!(
            "warning: {others} sound files are in no class and no table; `earmark data check {data}` lists them"
        ));
    }
    Ok(())
}

/// The folds that the data bring; without any, drawn ones.
fn split(manifest: &Manifest, recipe: &Recipe) -> anyhow::Result<Splits> {
    let (folds, seed) = (recipe.data.folds, recipe.seed);
    Ok(if are_drawn(manifest) { Splits::stratified(manifest, folds, seed)? } else { Splits::given(manifest)? })
}

/// Whether the labels, and how much they count, are enough for level 2 and for kernels: told before anything is heard or
/// trained.
fn check_labels(recipe: &Recipe, manifest: &Manifest, splits: &Splits) -> anyhow::Result<()> {
    let truth: Vec<usize> = manifest.train.iter().filter_map(|item| item.label).collect();
    let verified: Vec<bool> = manifest.train.iter().map(|item| item.verified).collect();
    let weights = recipe.stack.weights(&verified);
    check_folds(&truth, &splits.of, &weights, &manifest.labels, &recipe.stack)
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

fn are_drawn(manifest: &Manifest) -> bool {
    manifest.train.iter().all(|item| item.fold.is_none())
}

/// The clips that could be heard, those to learn from first, and the SHA-256 of their files.
struct Sounds {
    clips: Vec<Heard>,
    sums: Vec<String>,
}

/// Hears training and test clips; skipped ones leave the manifest.
fn hear_all(manifest: &mut Manifest, ears: &Ears, bars: &Bars) -> anyhow::Result<Sounds> {
    let items: Vec<Item> = manifest.train.iter().chain(&manifest.test).cloned().collect();
    let mut sums = sums(&items, bars)?;
    let clips = ears.hear(&items, &sums, bars)?;
    let heard: Vec<bool> = clips.iter().map(Option::is_some).collect();
    let (in_train, in_test) = heard.split_at(manifest.train.len());
    keep(&mut sums, &heard);
    keep(&mut manifest.train, in_train);
    keep(&mut manifest.test, in_test);
    Ok(Sounds { clips: clips.into_iter().flatten().collect(), sums })
}

/// Copies of one file in several folds that the data give, or among the test clips: who learned one of them is judged by
/// another.
fn tell_copies(splits: &Splits, sums: &[String], bars: &Bars) {
    let (of_train, of_test) = sums.split_at(splits.of.len());
    let mut first = BTreeMap::new();
    let torn =
        splits.of.iter().zip(of_train).filter(|(fold, sum)| *first.entry(*sum).or_insert(*fold) != *fold).count();
    let in_test = of_test.iter().filter(|sum| first.contains_key(sum)).count();
    for (count, what) in [
        (torn, "training clips are copies of clips in other folds"),
        (in_test, "test clips are copies of training clips"),
    ] {
        if count > 0 {
            bars.line(&format!(
                "warning: {count} {what}, which makes results better than they are; `earmark data check` lists them"
            ));
        }
    }
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

/// The jobs asked for: all, or the one named `wanted`.
fn all_tasks<'a>(recipe: &'a Recipe, folds: usize, wanted: Option<&str>) -> anyhow::Result<Vec<Task<'a>>> {
    let splits = recipe.splits(folds);
    let task = |learner: &'a LearnerSettings, split: &String| Task { learner, split: split.clone() };
    let mut tasks: Vec<Task> =
        recipe.learners.iter().flat_map(|learner| splits.iter().map(move |split| task(learner, split))).collect();
    let Some(wanted) = wanted else { return Ok(tasks) };
    tasks.retain(|task| task.name() == wanted);
    if tasks.is_empty() {
        let learners: Vec<&str> = recipe.learners.iter().map(|learner| learner.name.as_str()).collect();
        anyhow::bail!("--job {wanted}: the learners are {}, the splits {}", learners.join(", "), splits.join(", "));
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
