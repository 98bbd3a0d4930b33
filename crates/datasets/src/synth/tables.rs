//! The labels of the clips, and the tables that list them.

use std::fmt::Write;

use rand::RngExt;

use super::options::SynthOptions;
use super::sources::CLASSES;
use super::tasks::Task;
use crate::random::{epoch_order, key, stream};

/// A table and the folder of its clips.
pub(super) struct Set<'a> {
    pub table: &'static str,
    pub folder: &'static str,
    pub text: String,
    pub tasks: Vec<&'a Task>,
}

/// The tables and folders of FSDKaggle2018 (one label a clip) and, after them, of FSDKaggle2019, in
/// the order in which a set is written: the table that identifies the layout is the last.
pub(super) const SETS: [(&str, &str); 5] = [
    ("test.csv", "audio_test"),
    ("train.csv", "audio_train"),
    ("test_post_competition.csv", "test"),
    ("train_noisy.csv", "train_noisy"),
    ("train_curated.csv", "train_curated"),
];

/// The labels of the training clips.
pub(super) struct Labels {
    pub labels: Vec<Vec<usize>>,
    pub verified: Vec<bool>,
}

impl Labels {
    /// Two in five clips are verified; one tenth of the others, whose number is a multiple of ten,
    /// get one label of another class.
    pub fn draw(seed: u64, tasks: &[Task]) -> Self {
        let mut rng = stream(seed, &[key("synth"), key("labels")]);
        let unverified = ((tasks.len() as f64 * 0.06).round() as usize).max(1) * 10;
        let order = epoch_order(tasks.len(), &mut rng);
        let mut labels: Vec<Vec<usize>> = tasks.iter().map(|task| task.classes.clone()).collect();
        let mut verified = vec![true; tasks.len()];
        for (rank, clip) in order.into_iter().take(unverified).enumerate() {
            verified[clip] = false;
            if rank < unverified / 10 {
                let step = rng.random_range(1..CLASSES.len() as u32) as usize;
                // The first class that the clip has not, from there on.
                let (of, first) = (&tasks[clip].classes, tasks[clip].classes[0]);
                let other = (step..).map(|step| (first + step) % CLASSES.len()).find(|class| !of.contains(class));
                labels[clip][0] = other.unwrap_or(first);
                labels[clip].sort_unstable();
            }
        }
        Self { labels, verified }
    }

    /// The sets of the training and test clips in the order of [`SETS`].
    pub fn sets<'a>(&self, options: &SynthOptions, train: &'a [Task], test: &'a [Task]) -> Vec<Set<'a>> {
        let set = |index: usize, text: String, tasks: Vec<&'a Task>| {
            let (table, folder) = SETS[index];
            Set { table, folder, text, tasks }
        };
        if !options.multi_label {
            let every = |_| true;
            return vec![
                set(0, test_table("label", test), test.iter().collect()),
                set(1, self.table("fname,label,manually_verified", train, true, every), train.iter().collect()),
            ];
        }
        let part = |index: usize, verified: bool| {
            let tasks = train.iter().zip(&self.verified).filter(|(_, of)| **of == verified).map(|(task, _)| task);
            set(index, self.table("fname,labels", train, false, |of| of == verified), tasks.collect())
        };
        vec![set(2, test_table("labels", test), test.iter().collect()), part(3, false), part(4, true)]
    }

    /// The table of the training clips that are, or are not, verified.
    fn table(&self, header: &str, tasks: &[Task], with_verified: bool, wanted: impl Fn(bool) -> bool) -> String {
        let mut text = format!("{header}\n");
        let rows = tasks.iter().zip(&self.labels).zip(&self.verified).filter(|(_, verified)| wanted(**verified));
        for ((task, labels), verified) in rows {
            let _ = write!(text, "{},{}", task.name, names(labels));
            let _ = if with_verified { writeln!(text, ",{}", u8::from(*verified)) } else { writeln!(text) };
        }
        text
    }
}

/// The test table. All labels are correct; a fifth of the clips count for the public score.
fn test_table(label: &str, tasks: &[Task]) -> String {
    let mut text = format!("fname,{label},usage\n");
    for (i, task) in tasks.iter().enumerate() {
        let usage = if i % 5 == 0 { "Public" } else { "Private" };
        let _ = writeln!(text, "{},{},{usage}", task.name, names(&task.classes));
    }
    text
}

/// The names of classes, as a field of a table.
fn names(classes: &[usize]) -> String {
    match classes {
        [class] => CLASSES[*class].0.to_owned(),
        _ => format!("\"{}\"", classes.iter().map(|class| CLASSES[*class].0).collect::<Vec<_>>().join(",")),
    }
}
