//! Follows the guides of `docs/guide` word for word: writes the files that they show, runs their
//! commands, and compares what is printed with what they say.
//!
//! A block of `sh` is run as it stands. A block of `text` after it is its output: each line must be
//! printed, in this order. `...` is any text, decimals may be others, and spaces are not compared.
//! A block of another language is a file, whose name is the last code in the line before it; a
//! `diff` changes files.
#![cfg(all(unix, feature = "train"))]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

#[path = "common/chromium.rs"]
mod chromium;
mod common;
#[path = "guide/page.rs"]
mod page;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Ran, from_environment, python};
use page::Page;
use regex::Regex;

const BINARY: &str = env!("CARGO_BIN_EXE_earmark");
const GUIDES: [&str; 6] = ["train", "archive", "live", "recipe", "web", "architecture"];
const WEIGHTS: &str = "mn04_as_mAP_432.pt";
/// The classes of the guides, the names of their folders in ESC-10, and the years in the archive.
const CLASSES: [(&str, &str, &str); 3] =
    [("Dog", "Dog bark", "2024"), ("Rain", "Rain", "2025"), ("Rooster", "Rooster", "2024")];
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A fenced block.
struct Block {
    language: String,
    /// The last code in the line before it.
    name: Option<String>,
    text: String,
}

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block> {
    let code = Regex::new("`([^`]+)`").unwrap();
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let name = code.captures_iter(before).last().map(|found| found[1].to_owned());
            let text =
                lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |text, line| text + line + "\n");
            blocks.push(Block { language: language.to_owned(), name, text });
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// A line as a pattern: `...` is any text, a decimal any decimal, and spaces are one space.
fn pattern(line: &str) -> Regex {
    let decimal = Regex::new(r"(\\[+-])?\d+\\\.\d+").unwrap();
    let word = |word: &str| {
        let any = regex::escape(word).replace(r"\.\.\.", ".*");
        decimal.replace_all(&any, r"[+-]?\d+\.\d+").into_owned()
    };
    let words: Vec<_> = line.split_whitespace().map(word).collect();
    Regex::new(&format!(r"^\s*{}\s*$", words.join(r"\s+"))).unwrap()
}

/// The first line of a page's text that a command has not printed, in order.
fn not_printed<'a>(expected: &'a str, printed: &str) -> Option<&'a str> {
    let mut printed = printed.lines();
    let shown = expected.lines().filter(|line| !line.is_empty() && *line != "...");
    shown.map(|line| (line, pattern(line))).find(|(_, line)| !printed.any(|given| line.is_match(given))).map(|of| of.0)
}

/// Changes the files of a place by a diff without line numbers; what it replaces must occur once.
fn change(place: &Place, diff: &str) {
    for file in diff.split("--- a/").skip(1) {
        let (name, hunks) = file.split_once('\n').unwrap();
        for hunk in hunks.split("@@\n").skip(1) {
            let side = |out: char| {
                let lines = hunk.lines().filter(|line| !line.starts_with(out));
                lines.map(|line| format!("{}\n", &line[1..])).collect::<String>()
            };
            let (text, old) = (place.text(name), side('+'));
            assert_eq!(text.matches(&old).count(), 1, "{name} does not have once:\n{old}");
            place.write(name, text.replace(&old, &side('-')));
        }
    }
}

/// Follows a guide in a place.
fn follow(place: &Place, guide: &str) {
    let page = fs::read_to_string(root().join(format!("docs/guide/{guide}.md"))).unwrap();
    let blocks = blocks(&page);
    let (mut commands, mut ran) = (0, None);
    for block in &blocks {
        match block.language.as_str() {
            "sh" => {
                ran = Some(shell(place, &block.text).done());
                commands += 1;
            }
            "text" => {
                let ran = ran.take().unwrap_or_else(|| panic!("{guide}: no command prints\n{}", block.text));
                let missing = not_printed(&block.text, &ran.stdout);
                assert!(missing.is_none(), "{guide}: not printed: {}\n{ran}", missing.unwrap());
            }
            "diff" => change(place, &block.text),
            "toml" | "rust" | "html" => place.write(block.name.as_ref().unwrap(), &block.text),
            other => panic!("{guide}: a block of {other:?}"),
        }
    }
    assert!(commands > 0, "{guide} has no commands");
}

/// Runs a block of commands; what they print to stderr comes with the rest.
fn shell(place: &Place, script: &str) -> Ran {
    let mut command = place.command_of(Path::new("sh"), "-eu -c");
    command.arg(format!("exec 2>&1\n{script}"));
    let release = Path::new(BINARY).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{}:{path}", place.path("bin").display(), release.display()));
    command.env("EARMARK_MODELS", place.path("models")).env("TORCH_HOME", place.path("torch"));
    // Nothing is downloaded: neither weights, which are in the cache, nor crates.
    command.env("https_proxy", "http://127.0.0.1:9").env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", release.parent().unwrap());
    Ran::of(command, script)
}

/// A place with the sounds that the guides name, and the weights of `mn04_as` in the cache of
/// downloads. None without the data.
fn with_sounds(name: &str) -> Option<Place> {
    let (esc10, audioset) = (from_environment("EARMARK_ESC10")?, from_environment("EARMARK_AUDIOSET")?);
    let place = Place::new(name);
    let sorted = |folder: &Path| {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    for (class, folder, year) in CLASSES {
        let folder = sorted(&esc10).into_iter().find(|path| path.to_str().unwrap().ends_with(&format!("- {folder}")));
        let clips = sorted(&folder.unwrap());
        for clip in &clips[..10] {
            let name = clip.file_name().unwrap().to_str().unwrap();
            place.write(&format!("sounds/{class}/{name}"), fs::read(clip).unwrap());
        }
        let class = class.to_lowercase();
        place.write(&format!("archive/{year}/{class}.ogg"), fs::read(&clips[0]).unwrap());
        place.write(&format!("new/{class}.ogg"), fs::read(&clips[10]).unwrap());
    }
    place.write(&format!("torch/hub/checkpoints/{WEIGHTS}"), fs::read(audioset.join(WEIGHTS)).unwrap());
    Some(place)
}

/// Writes a script that stands for a program of a guide, and accepts only the words of the guide.
fn stand_in(place: &Place, program: &str, words: &str, script: &str) {
    let file = format!("bin/{program}");
    let check = format!(r#"[ "$*" = "{words}" ] || {{ echo "{program} $*" >&2; exit 1; }}"#);
    place.write(&file, format!("#!/bin/sh -eu\n{check}\n{script}\n"));
    fs::set_permissions(place.path(&file), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn train_on_your_own_folder() {
    let Some(place) = with_sounds("guide-train") else { return };
    follow(&place, "train");
}

#[test]
fn tag_an_archive() {
    let Some(place) = with_sounds("guide-archive") else { return };
    follow(&place, "archive");
}

#[test]
fn live_sound() {
    let Some(place) = with_sounds("guide-live") else { return };
    // The microphone gives the guide's recording.
    stand_in(&place, "arecord", "-q -d 20 -t raw -f S16_LE -r 44100", "tail -c +45 yard/recording-1.wav");
    follow(&place, "live");
}

#[test]
fn write_a_recipe() {
    follow(&Place::new("guide-recipe"), "recipe");
}

/// The web server of a place; it is ended on drop.
struct Server<'a>(&'a Place);

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Ok(id) = fs::read_to_string(self.0.path("server.pid")) {
            let _ = Command::new("kill").arg(id.trim()).status();
        }
    }
}

/// The packages of npm are those that the tests have. The server, of the Python that is not in the
/// place, has a free port and runs in the background. The page is used in Chromium.
#[test]
fn put_the_model_in_a_web_page() {
    let Some(chromium) = from_environment("EARMARK_CHROMIUM") else { return };
    let Some(modules) = from_environment("EARMARK_WEB") else { return };
    let Some(python) = python("http.server") else { return };
    let Some(place) = with_sounds("guide-web") else { return };
    let package = fs::read(modules.join("onnxruntime-web/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_slice(&package).unwrap();
    let words = format!("install onnxruntime-web@{}", package["version"].as_str().unwrap());
    stand_in(&place, "npm", &words, &format!("ln -s '{}' node_modules", modules.display()));
    let serve = format!(
        "PATH=${{PATH#*:}}
'{}' -u -m http.server 0 --bind 127.0.0.1 -d site > server.log 2>&1 &
echo $! > server.pid
until grep Serving server.log; do kill -0 $!; sleep 0.05; done",
        python.display()
    );
    stand_in(&place, "python3", "-m http.server -d site", &serve);
    let _server = Server(&place);
    follow(&place, "web");

    let log = place.text("server.log");
    let address = &Regex::new(r"\((http://.+)\)").unwrap().captures(&log).unwrap()[1];
    let mut page = Page::open(&chromium, address);
    page.wait("document.querySelector('input')?.disabled === false");
    page.choose(&place.path("new/dog.ogg"));
    page.wait("document.querySelectorAll('li').length == 5");
    let items = page.value("[...document.querySelectorAll('li')].map((item) => item.textContent)");
    let tags = shell(&place, "earmark tag new/dog.ogg --top 5 --quiet --json").done().json();
    println!("{items}, and {tags}");
    for (item, tag) in items.as_array().unwrap().iter().zip(tags[0]["tags"].as_array().unwrap()) {
        let (percent, label) = item.as_str().unwrap().split_once(" % ").unwrap();
        let apart = percent.parse::<f64>().unwrap() / 100.0 - tag["score"].as_f64().unwrap();
        assert!(tag["label"] == label && apart.abs() < 0.01, "{item}, and not {tag}");
    }

    place.write("notes.wav", "no sound");
    page.wait("!document.querySelector('input').disabled");
    page.choose(&place.path("notes.wav"));
    page.wait("document.querySelector('p').textContent.startsWith('notes.wav: ')");
    assert_eq!(page.value("document.querySelectorAll('li').length"), 0);

    place.remove("site/tagger.onnx");
    let mut page = Page::open(&chromium, address);
    page.wait("document.querySelector('p')?.textContent.startsWith('The model cannot run: ')");
}

/// In a copy of the crates, of which only the one that the guide changes is not a link. The copy
/// shares the target folder, so that dependencies need not be compiled again. Its manifest is one
/// folder higher: cargo identifies a crate by its path in the workspace, and would otherwise
/// overwrite the compiled crates of this one.
#[test]
fn add_an_architecture() {
    let workspace = Place::new("guide-architecture");
    let place = Place::new("guide-architecture/checkout");
    let root = root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let moved = ["crates/", "xtask"]
        .iter()
        .fold(manifest, |text, path| text.replace(&format!("\"{path}"), &format!("\"checkout/{path}")));
    workspace.write("Cargo.toml", moved);
    workspace.write("Cargo.lock", fs::read(root.join("Cargo.lock")).unwrap());
    symlink(root.join("xtask"), place.path("xtask")).unwrap();
    fs::create_dir(place.path("crates")).unwrap();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "nets" {
            symlink(entry.path(), place.path("crates").join(entry.file_name())).unwrap();
        }
    }
    copy(&root.join("crates/nets"), &place.path("crates/nets"));
    follow(&place, "architecture");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// Every guide is followed by a test and listed, and what the pages link or name exists.
#[test]
fn all_guides_are_listed_and_their_links_lead_somewhere() {
    let folder = root().join("docs/guide");
    let mut pages: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let mut expected: Vec<_> = GUIDES.iter().map(|guide| format!("{guide}.md")).chain(["README.md".into()]).collect();
    expected.sort();
    assert_eq!(pages, expected);
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let link = Regex::new(r"\]\(([^)#]+)(#[^)]*)?\)").unwrap();
    let named = Regex::new(r"`((?:crates|golden|recipes)/[^` ]+)`").unwrap();
    for page in expected {
        assert!(page == "README.md" || list.contains(&format!("]({page})")), "{page} is not listed");
        let text = fs::read_to_string(folder.join(&page)).unwrap();
        for found in link.captures_iter(&text) {
            assert!(folder.join(&found[1]).exists(), "{page} links {}", &found[1]);
        }
        for found in named.captures_iter(&text).filter(|found| !found[1].ends_with("/plain.rs")) {
            assert!(root().join(&found[1]).exists(), "{page} names {}", &found[1]);
        }
    }
}

#[test]
fn what_is_not_printed_is_found() {
    let printed = "a  1.5 s\nb 2 of 3\n";
    for (shown, missing) in [
        ("a 2.25 s\nb 2 of 3", None),
        ("...\nb ... 3", None),
        ("b 2 of 3\na 1.5 s", Some("a 1.5 s")),
        ("b 2 of 4", Some("b 2 of 4")),
        ("a", Some("a")),
    ] {
        assert_eq!(not_printed(shown, printed), missing, "{shown}");
    }
}
