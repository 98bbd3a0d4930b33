//! The examples at the end of each command's help.

use clap::Command;
use clap::builder::StyledStr;

/// The words of a command after `earmark`, and its examples. A `#` begins a comment.
type Examples = (&'static str, &'static [&'static str]);

const EXAMPLES: [Examples; 35] = [
    (
        "",
        &[
            "earmark model pull mn04_as          # a model that knows 527 classes",
            "earmark tag recording.mp3",
            "earmark train --data sounds --out runs/first",
            "earmark tag recording.mp3 --model runs/first/bundle",
        ],
    ),
    (
        "synth",
        &[
            "earmark synth --out synth",
            "earmark synth --out synth --train-clips 60 --test-clips 12 --seed 3",
            "earmark synth --out scenes --multi-label",
        ],
    ),
    (
        "mix",
        &[
            "earmark mix --data sounds --out recordings",
            "earmark mix --data sounds --only-folds 0 --recordings 50 --snr 5 --seed 2 --out judge",
        ],
    ),
    (
        "evaluate-events",
        &[
            "earmark evaluate-events recordings/events.csv found.csv",
            "earmark evaluate-events recordings/events.csv found.csv --collar 0.5 --json",
        ],
    ),
    ("data", &["earmark data download --list", "earmark data check sounds"]),
    (
        "data check",
        &[
            "earmark data check sounds",
            "earmark data check esc50 --where esc10=True --json",
            "earmark data check clips.csv --audio-dir clips --label-separator ,",
        ],
    ),
    (
        "data download",
        &[
            "earmark data download --list",
            "earmark data download esc50 --to data/esc50",
            "earmark data download esc50 --to data/esc50 --mirror https://mirror.example/esc50",
        ],
    ),
    (
        "features",
        &[
            "earmark features dog.wav --kind logmel --out dog.npy",
            "earmark features dog.wav --kind mfcc --set n_mels=128 --set sr=16000 --out dog.npy",
        ],
    ),
    ("nets", &["earmark nets list", "earmark nets export resnet18 --classes 10 --out resnet18.onnx"]),
    ("nets list", &["earmark nets list", "earmark nets list --json"]),
    (
        "nets export",
        &[
            "earmark nets export resnet18 --classes 10 --out resnet18.onnx",
            "earmark nets export mn04 --weights mn04.safetensors --out mn04.onnx",
        ],
    ),
    (
        "train",
        &[
            "earmark train --data sounds --out runs/first",
            "earmark train --data sounds --out runs/fast --recipe fast --plan",
            "earmark train --data sounds --out runs/best --recipe best --device cuda:0",
            "earmark train --data sounds --out runs/first --job a/fold0",
        ],
    ),
    ("stack", &["earmark stack runs/first", "earmark stack runs/first --json"]),
    (
        "evaluate",
        &[
            "earmark evaluate runs/first",
            "earmark evaluate runs/first --jobs",
            "earmark evaluate --submission submission.csv --truth truth.csv",
        ],
    ),
    (
        "compare",
        &["earmark compare runs/first runs/second", "earmark compare runs/first runs/second --model a --common --json"],
    ),
    ("report", &["earmark report runs/first", "earmark report runs/first --data moved/sounds"]),
    (
        "predict",
        &[
            "earmark predict runs/first --out submission.csv",
            "earmark predict runs/first --probabilities probabilities.csv --model a",
        ],
    ),
    (
        "tag",
        &[
            "earmark tag recording.mp3",
            "earmark tag archive --csv --output tags.csv --resume",
            "earmark tag recording.mp3 --events --class Dog --audacity",
            "earmark tag recording.mp3 --model runs/first/bundle --top 5 --json",
        ],
    ),
    (
        "listen",
        &[
            "earmark listen - --raw 32000,1,s16le  # after `arecord -q -t raw -f S16_LE -r 32000 |`",
            "earmark listen recording.wav --class Dog --save-clips dogs",
            "earmark listen recording.wav --speed max --output events.ndjson",
        ],
    ),
    (
        "embed",
        &[
            "earmark embed archive --out archive.npy",
            "earmark embed archive --out archive.parquet --windows --model mn04_as",
        ],
    ),
    (
        "similar",
        &["earmark similar dog.wav --in archive.npy", "earmark similar dog.wav --in archive.parquet --top 20 --csv"],
    ),
    (
        "export",
        &[
            "earmark export runs/first/bundle --out first.onnx",
            "earmark export mn04_as --out tagger.onnx --precision int8 --calibration sounds",
            "earmark export runs/first/bundle --out a.onnx --learner a",
        ],
    ),
    ("model", &["earmark model list", "earmark model pull mn04_as", "earmark model use mn04_as"]),
    ("model list", &["earmark model list", "earmark model list --json"]),
    (
        "model pull",
        &["earmark model pull mn04_as", "earmark model pull cnn14_as --mirror https://mirror.example/weights"],
    ),
    (
        "model import",
        &[
            "earmark model import mn04_as_mAP_432.pt --arch mn04 --name mn04_as",
            "earmark model import birds.safetensors --arch mn10 --labels birds.csv --name birds",
        ],
    ),
    ("model info", &["earmark model info mn04_as", "earmark model info mn04_as --json"]),
    ("model verify", &["earmark model verify mn04_as", "earmark model verify mn04_as --quiet"]),
    ("model remove", &["earmark model remove mn04_as", "earmark model remove mn04_as --quiet"]),
    ("model use", &["earmark model use mn04_as", "earmark model use cnn14_as"]),
    ("bundle", &["earmark bundle info runs/first/bundle", "earmark bundle verify downloaded/bundle"]),
    ("bundle verify", &["earmark bundle verify downloaded/bundle", "earmark bundle verify mn04_as"]),
    ("bundle info", &["earmark bundle info runs/first/bundle", "earmark bundle info mn04_as --json"]),
    (
        "completions",
        &[
            "earmark completions bash > ~/.local/share/bash-completion/completions/earmark",
            "earmark completions zsh > ~/.zfunc/_earmark",
            "earmark completions fish > ~/.config/fish/completions/earmark.fish",
        ],
    ),
    ("man", &["earmark man", "earmark man ~/.local/share/man/man1"]),
];

/// Ends the help of every command by its examples.
pub fn add(command: Command) -> Command {
    of_command(command, "")
}

fn of_command(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let inner = format!("{path} {name}").trim_start().to_owned();
        command.mut_subcommand(name, |command| of_command(command, &inner))
    });
    match EXAMPLES.iter().find(|(of, _)| *of == path) {
        Some((_, examples)) => command.after_help(text(examples)),
        None => command,
    }
}

/// The heading has clap's style of headings.
fn text(examples: &[&str]) -> StyledStr {
    let lines: String = examples.iter().map(|example| format!("\n  {example}")).collect();
    format!("\x1b[1m\x1b[4mExamples:\x1b[0m{lines}").into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::args::command;

    /// The paths of a command and of those below it.
    fn paths(command: &Command, path: &str) -> Vec<String> {
        let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        let inner = inner.flat_map(|inner| paths(inner, format!("{path} {}", inner.get_name()).trim_start()));
        std::iter::once(path.to_owned()).chain(inner).collect()
    }

    /// The words of an example, without its comment and the file that a shell writes.
    fn words(example: &str) -> Vec<&str> {
        example.split_whitespace().take_while(|word| !matches!(*word, "#" | ">" | "|")).collect()
    }

    #[test]
    fn every_command_has_two_to_four_examples_at_the_end_of_its_help() {
        let mut missing = Vec::new();
        for path in paths(&command(), "") {
            let mut words = vec!["earmark"];
            words.extend(path.split_whitespace());
            words.push("--help");
            let help = command().try_get_matches_from(words).unwrap_err().to_string();
            let examples = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
            let lines: Vec<&str> = examples.trim_end().lines().collect();
            let start = format!("  earmark {path}");
            let fit = (2..=4).contains(&lines.len()) && lines.iter().all(|line| line.starts_with(start.trim_end()));
            if !fit {
                missing.push(path);
            }
        }
        assert_eq!(missing, [""; 0], "add them to EXAMPLES");
    }

    /// The variables of a command and of those below it.
    fn variables(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(|argument| argument.get_env());
        let own: Vec<String> = own.map(|name| name.to_string_lossy().into_owned()).collect();
        own.into_iter().chain(command.get_subcommands().flat_map(variables)).collect()
    }

    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../../../docs/setup.md");
        let missing = variables(&command()).into_iter().filter(|name| !page.contains(&format!("`{name}`")));
        assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "add them to docs/setup.md");
    }

    #[test]
    fn every_global_option_has_a_variable() {
        let command = command();
        let global = command.get_arguments().filter(|argument| argument.is_global_set());
        let without = global.filter(|argument| argument.get_env().is_none()).map(|argument| argument.get_id().as_str());
        assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn every_example_is_a_command_line_that_earmark_takes() {
        let known = paths(&command(), "");
        for (path, examples) in EXAMPLES {
            assert!(known.iter().any(|known| known == path), "there is no command {path}");
            for example in examples {
                let parsed = command().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                assert!(example.chars().count() <= 90, "{example} is long");
            }
        }
    }
}
