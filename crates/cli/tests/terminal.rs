//! What the commands write to a terminal: colors, `--quiet`, variables of the global options,
//! completions, manual pages, and suggestions for mistyped names.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, Ran, SYNTH, TRAIN};

const ESCAPE: &str = "\u{1b}[";

/// Runs a command with variables.
fn with(place: &Place, words: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = place.command(words);
    command.envs(variables.iter().copied());
    Ran::of(command, words)
}

#[test]
fn colors_are_where_they_are_wanted() {
    let place = Place::new("terminal-colors");
    // Where no terminal is, none are the default.
    type Variables = &'static [(&'static str, &'static str)];
    let rows: [(&str, Variables, bool); 8] = [
        ("", &[], false),
        ("--color auto", &[], false),
        ("--color always", &[], true),
        ("--color always", &[("NO_COLOR", "1")], true),
        ("--color never", &[("EARMARK_COLOR", "always")], false),
        ("", &[("EARMARK_COLOR", "always")], true),
        ("", &[("NO_COLOR", "1")], false),
        ("", &[("EARMARK_COLOR", "never")], false),
    ];
    for (options, variables, expected) in rows {
        let help = with(&place, &format!("tag --help {options}"), variables).done().stdout;
        assert_eq!(help.contains(ESCAPE), expected, "{options} {variables:?}: {help}");
        let error = with(&place, &format!("tag none.wav --model none {options}"), variables).stderr;
        assert_eq!(
            error.starts_with("\u{1b}[1m\u{1b}[31merror: \u{1b}[0m"),
            expected,
            "{options} {variables:?}: {error}"
        );
        assert_eq!(error.starts_with("error: "), !expected, "{options} {variables:?}: {error}");
        let usage = with(&place, &format!("tga {options}"), variables).stderr;
        assert_eq!(usage.contains(ESCAPE), expected, "{options} {variables:?}: {usage}");
    }
    let unknown = with(&place, "nets list", &[("EARMARK_COLOR", "sometimes")]);
    assert!(
        unknown.code == Some(2) && unknown.stderr.contains("EARMARK_COLOR") | unknown.stderr.contains("--color"),
        "{unknown}"
    );
}

#[test]
fn quiet_leaves_results_and_errors() {
    let place = Place::new("terminal-quiet");
    assert!(!place.run(SYNTH).done().stderr.is_empty());
    for (words, variables) in [
        (format!("{SYNTH} -q"), &[][..]),
        (SYNTH.to_owned(), &[("EARMARK_QUIET", "1")][..]),
        (SYNTH.to_owned(), &[("EARMARK_QUIET", "true"), ("EARMARK_VERBOSE", "1")][..]),
        (format!("{SYNTH} --quiet --log-format json"), &[][..]),
        (format!("{SYNTH} --quiet"), &[("EARMARK_VERBOSE", "2")][..]),
    ] {
        place.remove("data");
        assert_eq!(with(&place, &words, variables).done().stderr, "", "{words} {variables:?}");
    }
    for (words, variables) in
        [(SYNTH.to_owned(), &[("EARMARK_QUIET", "0")][..]), (format!("{SYNTH} -v"), &[("EARMARK_QUIET", "1")][..])]
    {
        place.remove("data");
        assert_ne!(with(&place, &words, variables).done().stderr, "", "{words} {variables:?}");
    }
    place.run("-q features none.wav --kind wave --out x.npy").failed_naming(&["none.wav"]);
    let json = place.run("-q --log-format json features none.wav --kind wave --out x.npy").stderr;
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(record["level"] == "ERROR" && json.contains("none.wav"), "{json}");
    let both = place.run("-q nets list -v");
    assert!(both.code == Some(2) && both.stderr.contains("--quiet and --verbose"), "{both}");

    with(&place, "data download --list", &[("EARMARK_NO_PROGRESS", "1")]).done();

    // A training, with all of its progress; the log has everything all the same.
    place.write("recipe.toml", common::RECIPE);
    assert_eq!(place.run(&format!("{TRAIN} --quiet")).done().stderr, "");
    assert!(place.text("run/log.jsonl").contains("\"INFO\""));
}

#[test]
fn completions_and_manual_pages_have_every_command() {
    let place = Place::new("terminal-manual");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&format!("completions {shell}")).done().stdout;
        for word in ["bundle", "verify", "quiet", "color"] {
            assert!(script.contains(word), "{word} in {shell}");
        }
    }
    place.run("man man").done();
    let pages = place.tree("man");
    for name in ["earmark.1", "earmark-bundle-verify.1", "earmark-bundle-info.1", "earmark-tag.1"] {
        let page = String::from_utf8(pages[name].clone()).unwrap();
        assert!(page.contains(".SH EXAMPLES\n  earmark ") && !page.contains(ESCAPE), "{name}: {page}");
        assert!(page.contains("\\-\\-quiet") && page.contains("\\-\\-color"), "{name}: {page}");
    }
    assert!(!pages.keys().any(|name| name.contains("help")), "{:?}", pages.keys());
}

#[test]
fn mistyped_names_bring_what_may_be_meant() {
    let place = Place::with_data("terminal-names");
    place.write("models/mn04_as/config.json", "{}");
    let rows = [
        ("train --data data --out run --recipe meduim", "medium"),
        ("train --data data --out run --recipe recipe.toml --job a/fodl0", "a/fold0"),
        ("nets export resnt18 --out x.onnx", "resnet18"),
        ("model info mn4_as", "mn04_as"),
        ("tag a.wav --model mn04", "mn04_as"),
        ("model pull mn01", "mn01_as"),
        ("data download esc5 --to esc", "esc50"),
    ];
    for (words, meant) in rows {
        let models = place.path("models");
        let ran = with(&place, words, &[("EARMARK_MODELS", models.to_str().unwrap())]);
        assert_ne!(ran.code, Some(0), "{ran}");
        assert!(ran.stderr.contains("did you mean ") && ran.stderr.contains(&format!("`{meant}`")), "{ran}");
    }
    place.write("recipe.toml", common::RECIPE.replace("epochs", "epcohs"));
    let ran = place.run(TRAIN).failed_naming(&["unknown field `epcohs`", "recipe.toml"]);
    assert!(ran.stderr.ends_with("; did you mean `epochs`?\n"), "{ran}");
    for (words, tip) in
        [("trian --data a", "'train'"), ("tag a.wav --jsno", "'--json'"), ("features a.wav --kind mfc", "'mfcc'")]
    {
        let ran = place.run(words);
        assert!(ran.code == Some(2) && ran.stderr.contains("similar") && ran.stderr.contains(tip), "{ran}");
    }
}
