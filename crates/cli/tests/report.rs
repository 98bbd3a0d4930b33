//! The report: every section for runs of any size and state, and nothing in it that a browser would
//! load or run.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::fmt::Write;
use std::sync::OnceLock;

use common::{Place, RECIPE, TRAIN};
use roxmltree::{Document, Node, ParsingOptions};

/// A label that a browser would run if it were not escaped.
const HOSTILE: &str = r#"<script>alert("1")</script> & 'co'"#;

/// A finished run for all tests, with the hostile label as one of its classes. No test changes it.
fn shared() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::with_data("report");
        for table in ["data/train.csv", "data/test.csv"] {
            let quoted = format!("\"{}\"", HOSTILE.replace('"', "\"\""));
            place.write(table, place.text(table).replace(",Siren,", &format!(",{quoted},")));
        }
        place.run(TRAIN).done();
        place
    })
}

/// Calls `check` with the page, which must be well-formed XML once the elements that HTML does not
/// close are closed.
fn page<T>(place: &Place, check: impl FnOnce(&Document, &str) -> T) -> T {
    let text = place.text("run/report.html");
    let mut xml = String::new();
    for (i, piece) in text.split('<').enumerate() {
        let is_void = ["meta ", "img ", "br>"].iter().any(|name| piece.starts_with(name));
        let piece = if is_void { piece.replacen('>', "/>", 1) } else { piece.to_owned() };
        xml += &if i == 0 { piece } else { format!("<{piece}") };
    }
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    check(&Document::parse_with_options(&xml, options).unwrap(), &text)
}

fn all<'a>(document: &'a Document<'a>, name: &'a str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(name) || node.tag_name().name() == name).collect()
}

/// All text below a node.
fn words(node: Node) -> String {
    node.descendants().filter_map(|node| if node.is_text() { node.text() } else { None }).collect()
}

/// The cells of all rows of all tables.
fn rows(document: &Document) -> Vec<Vec<String>> {
    let cells = |row: &Node| row.children().filter(Node::is_element).map(words).collect();
    all(document, "tr").iter().map(cells).collect()
}

const SECTIONS: [&str; 11] = [
    "Summary",
    "Models",
    "Learning curves",
    "Confusion matrix",
    "Classes",
    "Calibration",
    "Hardest clips",
    "Feature importance",
    "Ablation",
    "Recipe",
    "Versions",
];

#[track_caller]
fn has_sections(document: &Document) {
    let found: Vec<String> = all(document, "h2").into_iter().map(words).collect();
    assert_eq!(found, SECTIONS);
}

#[test]
fn a_run_ends_with_a_report_of_all() {
    page(shared(), |document, text| {
        has_sections(document);
        assert!(!text.contains("not done") && !text.contains("not stacked"), "nothing is missing");
        for part in ["Earmark", "libtorch", "XGBoost, of the stack's trees", "ONNX Runtime"] {
            assert!(all(document, "th").into_iter().any(|cell| words(cell) == part), "{part} has a version");
        }
        let recipe = words(all(document, "pre")[0]);
        assert_eq!(recipe, shared().text("run/recipe.toml"));

        // The numbers are those of the results.
        let rows = rows(document);
        for system in shared().json("run/results.json")["systems"].as_array().unwrap() {
            let of_system = rows.iter().filter(|row| row[0] == system["name"].as_str().unwrap() && row.len() == 7);
            for (row, set) in of_system.zip(["out_of_fold", "test"]) {
                for (column, key) in [(2, "accuracy"), (3, "map_at_3"), (4, "macro_average_precision")] {
                    let stated = format!("{:.3} [", system[set][key].as_f64().unwrap());
                    assert!(row[column].starts_with(&stated), "{set} {key}: {row:?} {stated}");
                }
            }
        }
        assert_eq!(rows.iter().filter(|row| row[0] == "stack" && row.len() == 7).count(), 2, "out of fold and test");
        assert_eq!(rows.iter().filter(|row| row.len() == 6 && row[1] == "done").count(), 6, "each job has a row");
    });
}

#[test]
fn a_choice_is_shown_with_all_candidates() {
    let place = Place::new("report-choice");
    place.copy_from(shared(), "run");
    place.write("run/recipe.toml", place.text("run/recipe.toml").replace("kind = \"xgboost\"", "kind = \"auto\""));
    place.run("stack run").done();
    let choice = place.json("run/level2/choice.json");
    page(&place, |document, text| {
        assert!(all(document, "h2").into_iter().any(|head| words(head) == "Choice of the combination"));
        assert!(text.contains(choice["reason"].as_str().unwrap()), "{choice}");
        let rows = rows(document);
        for of in choice["candidates"].as_array().unwrap() {
            let is_row = |row: &&Vec<String>| row.len() == 6 && row[0] == of["name"].as_str().unwrap();
            let row = rows.iter().find(is_row).unwrap();
            assert_eq!(row[1], format!("{:.3}", of["loss"].as_f64().unwrap()));
            assert!(row[3].starts_with(&format!("{:.3} [", of["accuracy"].as_f64().unwrap())), "{row:?}");
            let folds = choice["folds"].as_array().unwrap().iter().filter(|fold| fold["chosen"] == of["name"]);
            assert_eq!(row[5], folds.map(|fold| fold["fold"].to_string()).collect::<Vec<_>>().join(", "));
        }
        assert!(text.contains("Not a candidate: XGBoost. It needs more clips: "), "two folds are too few for trees");
    });
}

#[test]
fn nothing_is_loaded_or_run_and_labels_are_text() {
    page(shared(), |document, text| {
        assert!(
            all(document, "script").is_empty() && !text.to_lowercase().contains("<script"),
            "a label became a program"
        );
        let cells = all(document, "th").into_iter().chain(all(document, "td"));
        assert!(cells.map(words).any(|cell| cell == HOSTILE), "the label stands in a table as it is");
        for node in document.descendants().filter(Node::is_element) {
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on"), "{name} of {}", node.tag_name().name());
                if ["src", "href", "data", "action", "poster", "srcset"].contains(&name) {
                    assert!(value.starts_with("data:") || value.starts_with("#s"), "{name}={value}");
                }
            }
            assert!(!["link", "iframe", "object", "embed", "base", "use"].contains(&node.tag_name().name()));
        }
        assert!(!text.contains("url(") && !text.contains("@import"), "the style loads nothing");
        // The only remaining addresses are names of XML namespaces.
        let addresses = text.matches("http://").count() + text.matches("https://").count();
        let names = text.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(addresses, names);
    });
}

#[test]
fn who_does_not_see_it_can_read_it() {
    page(shared(), |document, _| {
        let has = |node: &Node, name: &str| node.attribute(name).is_some_and(|value| !value.trim().is_empty());
        assert!(all(document, "html")[0].has_attribute("lang"));
        let images = all(document, "img");
        assert!(!images.is_empty() && images.iter().all(|image| has(image, "alt")));
        let plots = all(document, "svg");
        assert!(
            plots.len() >= 6
                && plots.iter().all(|plot| has(plot, "aria-label") && plot.attribute("role") == Some("img"))
        );
        assert!(all(document, "audio").iter().all(|player| has(player, "aria-label")));
        assert!(all(document, "th").iter().all(|head| has(head, "scope")));
        for table in all(document, "table") {
            let first = table.first_element_child().unwrap();
            assert!(first.has_tag_name("caption") && !words(first).is_empty());
            let widths: Vec<usize> = table
                .descendants()
                .filter(|node| node.tag_name().name() == "tr")
                .map(|row| row.children().filter(Node::is_element).count())
                .collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
        }
    });
}

/// The plots of a finished run with the learners `a` and `b`.
const PLOTS: [&str; 8] = [
    "classes.svg",
    "confusion.svg",
    "curves-a.svg",
    "curves-b.svg",
    "importance-learners.svg",
    "importance.svg",
    "reliability.svg",
    "systems.svg",
];

#[test]
fn plots_lie_beside_the_page_too() {
    let html = shared().text("run/report.html");
    let files = shared().tree("run/report");
    let (svg, png): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| name.ends_with(".svg"));
    let names: Vec<&str> = svg.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, PLOTS);
    for (name, bytes) in svg {
        let text = std::str::from_utf8(bytes).unwrap();
        let document = Document::parse(text).unwrap();
        assert!(document.descendants().any(|node| node.tag_name().name() == "style"), "{name} has its colours");
        let (_, drawing) = text.split_once("height=\"100%\"></rect>").or(text.split_once("height=\"100%\"/>")).unwrap();
        assert!(html.contains(drawing.trim()), "{name} is another plot than the page's");
    }
    page(shared(), |document, text| {
        assert_eq!(png.len(), all(document, "img").len());
        assert!(png.iter().all(|(_, bytes)| bytes.starts_with(b"\x89PNG")));
        assert_eq!(all(document, "audio").len(), png.len(), "each clip has a player");
        assert_eq!(text.matches("src=\"data:audio/wav;base64,UklGR").count(), png.len(), "the sound is a WAV file");
    });
    let confusion = shared().text("run/report/confusion.svg");
    let document = Document::parse(&confusion).unwrap();
    let counts = all(&document, "text").into_iter().filter_map(|text| words(text).parse::<usize>().ok());
    assert_eq!(counts.sum::<usize>(), 60, "each clip is in the matrix");
}

#[test]
fn missing_sounds_are_listed() {
    let place = Place::new("report-gone");
    place.copy("../report/run", "run");
    place.copy("../report/data", "moved/deep");
    let (clips, count) = (shared().tree("run/report").len() - PLOTS.len(), |name: &str| {
        page(&place, |document, text| (all(document, name).len(), text.contains("have no player")))
    });
    place.write("run/data.json", r#"{"sounds": "nowhere", "cache": "run/cache"}"#);
    place.run("report run").done();
    assert_eq!((count("audio"), count("img")), ((0, true), (clips, true)), "the cache still has the pictures");
    place.remove("run/cache");
    place.run("report run").done();
    assert_eq!((count("audio"), count("img")), ((0, true), (0, true)));
    assert!(!place.path("run/cache").exists());
    place.run("report run --data moved").done();
    assert_eq!((count("audio"), count("img")), ((clips, false), (clips, false)));
    // Files of the same name but with different content are not the clips.
    for name in place.tree("moved").into_keys().filter(|name| name.ends_with(".wav")) {
        place.write(&format!("moved/{name}"), common::float_wav(&[0.5; 44_100]));
    }
    place.run("report run --data moved").done();
    assert_eq!(count("audio"), (0, true));
    place.run("report moved").failed();
}

#[test]
fn a_part_of_a_run_has_a_report_of_that_part() {
    let place = Place::new("report-part");
    for file in ["run.json", "recipe.toml", "labels.txt", "splits.csv"] {
        place.write(&format!("run/{file}"), shared().read(&format!("run/{file}")));
    }
    place.run("report run").done();
    page(&place, |_, text| {
        assert!(text.contains("Not done: 6 of 6 jobs (6 not begun)"));
        assert!(text.contains("No fold of any learner is done") && text.contains("a has not begun."));
    });
    place.copy("../report/run/jobs/b/fold1", "run/jobs/b/fold1");
    let history = shared().text("run/jobs/a/fold0/history.csv");
    let first: Vec<&str> = history.lines().take(2).collect();
    place.write("run/jobs/a/fold0/history.csv", first.join("\n") + "\n");
    place.run("report run").done();
    page(&place, |document, text| {
        has_sections(document);
        assert!(text.contains("Not done: 5 of 6 jobs (a/fold0: 1 of 2 epochs, 4 not begun)"));
        assert!(text.contains("not stacked yet") && text.contains("The learner b classifies"));
        assert!(text.contains("clips of the folds that are done"));
        assert!(text.contains("no level2/importance.csv") && text.contains("no level2/ablation.csv"));
    });
    place.write("run/jobs/b/fold1/predictions.csv", "fname,x\n");
    place.run("report run").failed();
}

#[test]
fn two_classes_of_a_table_and_no_test_clips() {
    let place = Place::new("report-two");
    place.copy("../report/data/audio_train", "sounds");
    let (_, rows) = common::csv(&shared().text("data/train.csv"));
    let label = &rows[0][1];
    let other = rows.iter().map(|row| &row[1]).find(|other| *other != label && *other != HOSTILE).unwrap();
    let mut table = "fname,label\n".to_owned();
    for row in rows.iter().filter(|row| row[1] == *label || row[1] == *other) {
        writeln!(table, "{},{}", row[0], if row[1] == *other { "other" } else { "one" }).unwrap();
    }
    place.write("two.csv", table);
    let mut recipe = RECIPE.replace("epochs = 2", "epochs = 1");
    let place_of_b = recipe.find("[[learners]]\nname = \"b\"").unwrap();
    recipe.replace_range(place_of_b..recipe.find("[stack]").unwrap(), "");
    place.write("recipe.toml", recipe);
    place.run("train --recipe recipe.toml --data two.csv --audio-dir sounds --out run").done();
    page(&place, |document, text| {
        has_sections(document);
        assert!(text.contains("There are no test clips.") && text.contains("of 2 classes"));
        assert_eq!(all(document, "audio").len(), all(document, "img").len());
    });
}

/// A run with many classes that has only tables, as another program might write it.
#[test]
fn many_classes_importances_and_learners_left_out() {
    let place = Place::new("report-many");
    let labels: Vec<String> = (0..120).map(|class| format!("class {class} with a name of some length")).collect();
    place.write("run/recipe.toml", RECIPE);
    place.write("run/labels.txt", labels.join("\n") + "\n");
    let (mut splits, mut table) =
        ("fname,set,label,verified,fold,sha256\n".to_owned(), format!("fname,{}\n", labels.join(",")));
    for clip in 0..240 {
        writeln!(splits, "{clip}.wav,train,{},true,{},00", labels[clip % 120], clip % 2).unwrap();
        let right = |class: usize| class == (clip + clip / 90) % 120;
        let row: Vec<&str> = (0..120).map(|class| if right(class) { "0.405" } else { "0.005" }).collect();
        writeln!(table, "{clip}.wav,{}", row.join(",")).unwrap();
    }
    place.write("run/splits.csv", splits);
    for file in ["oof/a.csv", "oof/b.csv", "level2/oof.csv"] {
        place.write(&format!("run/{file}"), &table);
    }
    // `gain` is the mean over `weight` splits.
    let features = "feature,learner,gain,weight,cover\na/x,a,2,3,1\nb/x,b,3,1,1\nmean,mfcc_statistics,0.5,2,1\n";
    place.write("run/level2/importance.csv", features);
    let without = "without,map_at_3,accuracy,macro_average_precision\n-,0.9,0.8,0.7\na,0.85,0.81,0.7\n";
    place.write("run/level2/ablation.csv", without);
    place.write("run/report/of-an-earlier-stack.svg", "<svg/>");
    place.run("report run").done();
    assert!(!place.path("run/report/of-an-earlier-stack.svg").exists(), "plots that the page does not show");
    page(&place, |document, _| {
        has_sections(document);
        let rows: Vec<String> = rows(document).iter().map(|row| row.join(" | ")).collect();
        for row in
            ["none: all learners | 0.800 | 0.900 | 0.700", "a | 0.810 (+0.010) | 0.850 (-0.050) | 0.700 (+0.000)"]
        {
            assert!(rows.iter().any(|other| other == row), "{row}");
        }
        let tips: Vec<String> = all(document, "title").into_iter().map(words).collect();
        for tip in ["a: 60.00 %", "mfcc_statistics: 10.00 %"] {
            assert!(tips.iter().any(|other| other == tip), "{tip}");
        }
        assert!(tips.iter().any(|tip| tip.ends_with("predicted as class 91 with a name of some length: 1 of 2 clips")));
    });
}
