//! `earmark train`: sounds to features, jobs, and then level 2.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use earmark_datasets::{Example, Heard, Item, Manifest, Splits, open, sound_files};
use earmark_features::mfcc_statistics_names;
use earmark_files::FileError;
use earmark_stacking::Table;
use earmark_training::{Job, LearnerSettings, TrainingError, check_device, set_threads};

use crate::args::Train;
use crate::pretrained::{Origin, Origins, Places};
use crate::progress::Bars;
use crate::recipe::Recipe;
use crate::run::{CACHE, Run};
use crate::sounds::{Ears, sums};
use crate::{output, pretrained, report, results, stack};

pub fn run(options: &Train) -> anyhow::Result<()> {
    let recipe = Recipe::read(&options.recipe)?;
    check_device(&options.device)?;
    let bars = Bars::new(!options.no_progress, options.verbose);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(cores).max(1);

    let mut manifest = open_data(options, &recipe)?;
    tell_passed_over(options, &manifest, &bars)?;
    let mut splits = split(&manifest, &recipe)?;
    let mut jobs = all_jobs(&recipe, splits.folds, options.job.as_deref())?;
    Run::check_place(&options.out, &recipe)?;
    let origins = pretrained::gather(&recipe, manifest.labels.len(), &places(options))?;
    pretrained::check(&options.out, &origins)?;
    let cache: PathBuf = options.cache.clone().unwrap_or_else(|| options.out.join(CACHE));
    let ears = Ears::open(&recipe, jobs.iter().map(|(learner, _)| learner.name.as_str()), &cache)?;
    let sounds = hear_all(&mut manifest, &ears, &bars)?;
    let left_out = manifest.train.len() < splits.of.len();
    let copies = are_drawn(&manifest) && manifest.group_copies(&sounds.sums);
    if left_out || copies {
        // Of the clips that were drawn some are left out, or some must share a fold: all are drawn anew.
        let left = || match left_out {
            true => format!("{} of {} training clips are left", manifest.train.len(), splits.of.len()),
            false => "folds are drawn with all copies of a clip in one of them".to_owned(),
        };
        splits = split(&manifest, &recipe).with_context(left)?;
        jobs = all_jobs(&recipe, splits.folds, options.job.as_deref())?;
    }
    tell_copies(&splits, &sounds.sums, &bars);
    let run = Run::begin(&options.out, &recipe, &manifest, &splits, &sounds.sums)?;
    report::remember(&run, options, &cache)?;
    pretrained::write(&options.out, &origins)?;
    save_statistics(&run, &manifest, &recipe, &sounds.clips)?;

    let work = Work {
        options,
        recipe: &recipe,
        manifest: &manifest,
        splits: &splits,
        ears: &ears,
        sounds: &sounds.clips,
        origins: &origins,
        run: &run,
    };
    let at_once = options.jobs.unwrap_or(if options.device == "cpu" { threads } else { 1 }).clamp(1, jobs.len().max(1));
    set_threads(threads / at_once);
    work.run_all(jobs, at_once, &bars)?;
    if options.job.is_some() {
        return Ok(());
    }
    stack::level2(&run)?;
    report::write(&run)?;
    results::print(&run, options.json)
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

/// The jobs asked for, as learner and split: all, or the one named `wanted`.
fn all_jobs<'a>(
    recipe: &'a Recipe,
    folds: usize,
    wanted: Option<&str>,
) -> anyhow::Result<VecDeque<(&'a LearnerSettings, String)>> {
    let splits = recipe.splits(folds);
    let learners = recipe.learners.iter();
    let all = learners.flat_map(|learner| splits.iter().map(move |split| (learner, split.clone())));
    let Some(wanted) = wanted else { return Ok(all.collect()) };
    let jobs: VecDeque<_> = all.filter(|(learner, split)| format!("{}/{split}", learner.name) == wanted).collect();
    if jobs.is_empty() {
        let learners: Vec<&str> = recipe.learners.iter().map(|learner| learner.name.as_str()).collect();
        anyhow::bail!("--job {wanted}: the learners are {}, the splits {}", learners.join(", "), splits.join(", "));
    }
    Ok(jobs)
}

/// Whether a job's fault is one of the disk or the device, which the next job would meet as well.
fn is_of_the_machine(error: &anyhow::Error) -> bool {
    let training = error.downcast_ref::<TrainingError>();
    error.is::<FileError>() || matches!(training, Some(TrainingError::File(_) | TrainingError::Device { .. }))
}

fn save_statistics(run: &Run, manifest: &Manifest, recipe: &Recipe, clips: &[Heard]) -> anyhow::Result<()> {
    let names = manifest.train.iter().chain(&manifest.test).map(|item| item.name.clone()).collect();
    let values = clips.iter().flat_map(|clip| clip.statistics.iter().copied()).collect();
    let table = Table::new(names, mfcc_statistics_names(&recipe.statistics), values)?;
    Ok(earmark_files::write_atomic(&run.path(stack::STATISTICS), &table.to_csv())?)
}

/// All that the jobs of a run share.
struct Work<'a> {
    options: &'a Train,
    recipe: &'a Recipe,
    manifest: &'a Manifest,
    splits: &'a Splits,
    ears: &'a Ears<'a>,
    /// Of the clips to learn from, then of those to test with.
    sounds: &'a [Heard],
    origins: &'a Origins,
    run: &'a Run,
}

impl<'a> Work<'a> {
    /// Runs the jobs, some at once. One that fails does not stop the others, unless its fault will be theirs too; in
    /// the end all faults are told.
    fn run_all(&self, jobs: VecDeque<(&LearnerSettings, String)>, at_once: usize, bars: &Bars) -> anyhow::Result<()> {
        let total = bars.counter("jobs", jobs.len());
        let queue = Mutex::new(jobs);
        let faults = Mutex::new(Vec::new());
        let next = || queue.lock().map(|mut queue| queue.pop_front()).unwrap_or_default();
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while let Some((learner, split)) = next() {
                        if let Err(error) = self.run_job(learner, &split, bars) {
                            let fault = format!("job {}/{split}: {}", learner.name, output::message(&error));
                            faults.lock().map(|mut faults| faults.push(fault)).unwrap_or_default();
                            if is_of_the_machine(&error) {
                                queue.lock().map(|mut queue| queue.clear()).unwrap_or_default();
                            }
                        }
                        total.inc(1);
                    }
                });
            }
        });
        total.finish_and_clear();
        let faults = faults.into_inner().unwrap_or_default();
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\nerror: "));
        Ok(())
    }

    fn run_job(&self, learner: &LearnerSettings, split: &str, bars: &Bars) -> anyhow::Result<()> {
        let folder = self.run.job(&learner.name, split);
        let train = self.examples(learner, split, true)?;
        let predict = self.examples(learner, split, false)?;
        let names = predict.iter().map(|example| example.name.to_owned()).collect();
        let start = self.origins.get(&learner.name).map(Origin::start);
        let job = Job {
            learner,
            start: start.as_ref(),
            front_end: &self.recipe.features[&learner.features],
            split,
            train,
            predict,
            labels: &self.manifest.labels,
            seed: self.recipe.seed,
            device: &self.options.device,
            folder: &folder,
        };
        let fingerprint = job.fingerprint();
        if self.run.is_done(&learner.name, split, &fingerprint)? {
            // A kill may have come between the mark and this.
            job.clean();
            return Ok(());
        }
        let start = Instant::now();
        let mut bar = bars.job(&format!("{}/{split}", learner.name));
        let outcome = job.run(&mut |progress| {
            bar.update(progress);
            ControlFlow::Continue(())
        });
        let outcome = outcome.inspect_err(|_| bars.line(&format!("{}/{split} failed", learner.name)))?;
        self.run.store(&learner.name, split, fingerprint, &outcome, names, &self.manifest.labels)?;
        job.clean();
        bar.finish(&format!("done in {:.0} s", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// The clips that a split learns from, or those that it predicts.
    fn examples(&self, learner: &LearnerSettings, split: &str, learned: bool) -> anyhow::Result<Vec<Example<'a>>> {
        let fold: Option<usize> = split.strip_prefix("fold").and_then(|fold| fold.parse().ok());
        let place = self.ears.place(self.recipe.front_end(&learner.name)?).context("features that nobody asked for")?;
        let example = |(item, heard): (&'a Item, &'a Heard)| Example {
            name: &item.name,
            features: heard.features[place].view(),
            label: item.label,
            verified: item.verified,
        };
        let (of_train, of_test) = self.sounds.split_at(self.manifest.train.len());
        let train = self.manifest.train.iter().zip(of_train).zip(&self.splits.of);
        let of_train = train.filter(|(_, of)| (fold != Some(**of)) == learned && (fold.is_some() || learned));
        let of_test = self.manifest.test.iter().zip(of_test).filter(|_| !learned && self.recipe.predicts_test(split));
        // No job learns anything of the test clips' labels.
        let of_test = of_test.map(|pair| Example { label: None, ..example(pair) });
        Ok(of_train.map(|(pair, _)| example(pair)).chain(of_test).collect())
    }
}
