//! `cargo xtask dcase2018`: the paper's system on its data, from the download to the submission.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::setup;
use crate::steps::{Steps, cargo, target_folder};

/// The options of this command; it passes all others to `earmark train`.
#[derive(Debug, PartialEq)]
struct Options {
    recipe: String,
    /// `None`: download the data set.
    data: Option<String>,
    out: String,
    rest: Vec<String>,
}

const DATA: &str = "data/fsdkaggle2018";
/// The labels of the scored test clips, as named in the data set.
const TRUTH: [&str; 2] =
    ["FSDKaggle2018.meta/test_post_competition_scoring_clips.csv", "test_post_competition_scoring_clips.csv"];

pub fn dcase2018(root: &Path, words: &[&str]) -> Result<()> {
    let Options { recipe, data, out, rest } = Options::of(words)?;
    let mut steps = Steps::new(root);
    let cuda = rest.iter().any(|word| word.starts_with("cuda:") || word.starts_with("--device=cuda:"));
    steps.step("setup", || setup(root, cuda))?;
    steps.run(&mut cargo(root, "build --release -p earmark --locked"))?;
    let binary = target_folder(root)?.join("release").join(format!("earmark{}", std::env::consts::EXE_SUFFIX));
    let earmark = |words: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(words);
        command
    };
    if data.is_none() {
        steps.run(&mut earmark(&["data", "download", "fsdkaggle2018", "--to", DATA]))?;
    }
    let data = data.as_deref().unwrap_or(DATA);
    let mut train = earmark(&["train", "--recipe", &recipe, "--data", data, "--out", &out]);
    steps.run(train.args(&rest))?;
    let (submission, probabilities) = (format!("{out}/submission.csv"), format!("{out}/probabilities.csv"));
    steps.run(&mut earmark(&["predict", &out, "--out", &submission, "--probabilities", &probabilities]))?;
    let truth = TRUTH.map(|name| format!("{data}/{name}")).into_iter().find(|path| root.join(path).exists());
    if let Some(truth) = &truth {
        steps.run(&mut earmark(&["evaluate", "--submission", &submission, "--truth", truth]))?;
    }

    eprintln!("== all done\n{}\n", steps.summary());
    for (path, what) in [
        (&submission, "the answers in Kaggle's form"),
        (&probabilities, "all probabilities of the test clips"),
        (&format!("{out}/report.html"), "all results on one page"),
        (&format!("{out}/bundle"), "what tagging needs, and no more"),
    ] {
        eprintln!("  {path:<38} {what}");
    }
    eprintln!("Room taken by {out}: {:.2} GB", folder_bytes(&root.join(&out))? as f64 / 1e9);
    Ok(())
}

impl Options {
    fn of(words: &[&str]) -> Result<Self> {
        let (mut recipe, mut data, mut out) = (None, None, None);
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let place = match word {
                "--recipe" => &mut recipe,
                "--data" => &mut data,
                "--out" => &mut out,
                _ => {
                    rest.push(word.to_owned());
                    continue;
                }
            };
            let Some(value) = words.next() else { bail!("{word} wants a value") };
            if place.replace((*value).to_owned()).is_some() {
                bail!("{word} is given twice");
            }
        }
        for word in ["--plan", "--job", "--shard"] {
            if rest.iter().any(|given| given == word || given.starts_with(&format!("{word}="))) {
                bail!("{word} leaves nothing to submit: use `earmark train` itself");
            }
        }
        let recipe = recipe.unwrap_or_else(|| "recipes/dcase2018.toml".to_owned());
        Ok(Self { recipe, data, out: out.unwrap_or_else(|| "runs/dcase2018".to_owned()), rest })
    }
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_its_own_goes_to_train() {
        let default = Options::of(&[]).unwrap();
        assert_eq!(
            (default.recipe.as_str(), default.data, default.out.as_str()),
            ("recipes/dcase2018.toml", None, "runs/dcase2018")
        );
        let given = Options::of(&["--device", "cuda:0", "--data", "d", "--no-progress", "--out", "o"]).unwrap();
        assert_eq!((given.data.as_deref(), given.out.as_str()), (Some("d"), "o"));
        assert_eq!(given.rest, ["--device", "cuda:0", "--no-progress"]);
        for (words, reason) in [
            (&["--out"][..], "--out wants a value"),
            (&["--out", "a", "--out", "b"], "given twice"),
            (&["--shard", "1/2"], "leaves nothing to submit"),
            (&["--job=a/full"], "leaves nothing to submit"),
        ] {
            assert!(Options::of(words).unwrap_err().to_string().contains(reason));
        }
    }
}
