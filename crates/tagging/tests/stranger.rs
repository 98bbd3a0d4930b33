//! Bundles from untrusted sources: whatever their contents, they are refused with a typed error or
//! tag within bounds.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::path::Path;

use bundles::{FILES, LABELS, clip, edit, open, refused, replace, rewrite, write};
use earmark_nets::{find, to_onnx};
use earmark_tagging::{Bundle, BundleFault, SUMS, StackKind, TaggingError, verify};
use serde_json::{Value, json};

/// The fault of a bundle after `damage` was applied.
#[track_caller]
fn fault(damage: impl FnOnce(&Path)) -> BundleFault {
    match refused(damage) {
        TaggingError::Bundle { fault, .. } => fault,
        other => panic!("no fault of the bundle: {other}"),
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_inside_the_folder_are_read() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    for name in FILES.into_iter().chain([SUMS]) {
        let linked = |to: &Path| {
            fault(|folder| {
                std::fs::remove_file(folder.join(name)).unwrap();
                symlink(to, folder.join(name)).unwrap();
            })
        };
        for to in ["/dev/zero", "/dev/null", "/"] {
            assert!(matches!(linked(Path::new(to)), BundleFault::NotRegular), "{name} linked to {to}");
        }
        // The same bytes, but outside the folder.
        write(outside.path(), true);
        assert!(matches!(linked(&outside.path().join(name)), BundleFault::NotRegular), "{name} linked out");
        let pipe = fault(|folder| {
            std::fs::remove_file(folder.join(name)).unwrap();
            let made = std::process::Command::new("mkfifo").arg(folder.join(name)).status().unwrap();
            assert!(made.success());
        });
        assert!(matches!(pipe, BundleFault::NotRegular), "{name} is a pipe");
    }
    // A link within the folder is fine, because its target is checked too, and the folder itself
    // may be a link.
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("real"), true);
    std::fs::rename(folder.path().join("real/fine.onnx"), folder.path().join("real/other")).unwrap();
    symlink("other", folder.path().join("real/fine.onnx")).unwrap();
    symlink("real", folder.path().join("linked")).unwrap();
    open(&folder.path().join("linked")).map(|_| ()).unwrap();
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    // Sparse files: they take no space on disk, but would in memory.
    let grown = |name: &'static str, bytes: u64| {
        fault(|folder| std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_len(bytes).unwrap())
    };
    for (name, most) in [(SUMS, 1 << 18), ("config.json", 1 << 24), ("fine.onnx", 1 << 31), ("README.md", 1 << 31)] {
        let found = grown(name, most + 1);
        assert!(matches!(found, BundleFault::TooLarge { total: false, most: of, .. } if of == most), "{name}: {found}");
    }
    let found = fault(|folder| {
        for name in ["fine.onnx", "coarse.onnx", "level2.onnx"] {
            std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_len(1 << 31).unwrap();
        }
    });
    assert!(matches!(found, BundleFault::TooLarge { total: true, .. }), "{found}");
}

#[test]
fn the_list_of_files_names_each_once_and_no_other_place() {
    let listed = |line: &str| {
        let line = line.to_owned();
        fault(move |folder| {
            let sums = std::fs::read_to_string(folder.join(SUMS)).unwrap();
            std::fs::write(folder.join(SUMS), format!("{sums}{line}\n")).unwrap();
        })
    };
    let sum = "0".repeat(64);
    for name in ["../a", "/etc/passwd", "..", ".", "", "a\\b", "a\tb", SUMS] {
        let found = listed(&format!("{sum}  {name}"));
        assert!(matches!(&found, BundleFault::Name { name: of } if of == name), "{name:?}: {found}");
    }
    for line in
        [String::new(), sum.clone(), format!("{sum} a"), format!("{}  a", "0".repeat(63)), "F".repeat(64) + "  a"]
    {
        assert!(matches!(listed(&line), BundleFault::Line { line: 6 }), "{line}");
    }
    let found = listed(&format!("{sum}  README.md"));
    assert!(matches!(&found, BundleFault::Twice { what: "file", name } if name == "README.md"), "{found}");
    let many: Vec<String> = (0..2_000).map(|file| format!("{sum}  {file}")).collect();
    let found = listed(&many.join("\n"));
    assert!(matches!(found, BundleFault::Count { what: "files", count: 2_005, .. }), "{found}");
}

#[test]
fn counts_and_names_are_bounded() {
    let edited = |change: &dyn Fn(&mut Value)| fault(|folder| edit(folder, change));
    let many = |what: &'static str, of: usize| {
        edited(&|config| {
            let names = (0..of).map(|name| name.to_string());
            let learner = config["learners"][0].clone();
            match what {
                "labels" => config["labels"] = names.collect(),
                "learners" => {
                    let named = |name: String| {
                        let mut learner = learner.clone();
                        learner["name"] = name.into();
                        learner
                    };
                    config["learners"] = names.map(named).collect();
                }
                _ => config["learners"][0]["networks"] = names.map(|_| learner["networks"][0].clone()).collect(),
            }
        })
    };
    for (what, of) in [("labels", 0), ("labels", 70_000), ("learners", 0), ("learners", 2_000)] {
        let found = many(what, of);
        assert!(matches!(found, BundleFault::Count { what: w, count, .. } if (w, count) == (what, of)), "{of} {found}");
    }
    for of in [0, 1_000] {
        let found = many("networks", of);
        assert!(matches!(found, BundleFault::Count { what: "networks of a learner", .. }), "{of}: {found}");
    }
    assert!(matches!(many("networks", 2), BundleFault::Twice { what: "file", .. }));
    for (place, what) in [("/labels/1", "label"), ("/learners/1/name", "learner")] {
        let set = |text: &str| edited(&|config| *config.pointer_mut(place).unwrap() = text.into());
        for text in ["", "  ", "a\nb", "\u{1b}[2J", "\u{85}"] {
            let found = set(text);
            assert!(matches!(&found, BundleFault::Text { what: w, name } if *w == what && name == text), "{found}");
        }
        let found = set(if what == "label" { LABELS[0] } else { "fine" });
        assert!(matches!(found, BundleFault::Twice { what: w, .. } if w == what), "{found}");
    }
    for from in [r#""fine.onnx""#, r#""level2.onnx""#] {
        let found = fault(|folder| rewrite(folder, from, r#""other""#));
        assert!(matches!(&found, BundleFault::Unlisted { name } if name == "other"), "{found}");
    }
}

#[test]
fn every_number_is_in_its_range() {
    let learner = |key: &str| format!("learners.fine.{key}");
    let scaling = |mean: Value, deviation: Value| json!({"mean": [0.0, mean, 0.0], "deviation": [1.0, 1.0, deviation]});
    let rows = [
        ("windows/frames", json!(1_u64 << 40), "windows.frames"),
        ("windows/frames", json!(0), "windows.frames"),
        ("windows/frames", json!(6_100), "windows.frames"),
        ("windows/hop", json!(0), "windows.hop"),
        ("windows/hop", json!(u64::MAX), "windows.hop"),
        ("windows/pad_value", json!(1e20), "windows.pad_value"),
        ("features/hop_length", json!(1), "features.hop_length"),
        ("networks/0/scaling", scaling(json!(0.0), json!(1e-38)), "scaling.deviation"),
        ("networks/0/scaling", scaling(json!(0.0), json!(0.0)), "scaling.deviation"),
        ("networks/0/scaling", scaling(json!(0.0), json!(-1.0)), "scaling.deviation"),
        ("networks/0/scaling", scaling(json!(-1e20), json!(1.0)), "scaling.mean"),
        ("networks/0/scaling", json!({"mean": [0.0], "deviation": [1.0]}), "scaling"),
    ];
    for (place, value, expected) in rows {
        let found = fault(|folder| {
            edit(folder, |config| *config["learners"][0].pointer_mut(&format!("/{place}")).unwrap() = value.clone());
        });
        assert!(matches!(&found, BundleFault::Setting { key, .. } if *key == learner(expected)), "{place}: {found}");
    }
    for (from, to) in [
        (r#""hop_length": 220"#, r#""hop_length": 0"#),
        (r#""n_mels": 64"#, r#""n_mels": 1099511627776"#),
        (r#""delta_width": 9"#, r#""delta_width": 1000001"#),
        (r#""sr": 22050"#, r#""sr": 4000000000"#),
    ] {
        let found = fault(|folder| rewrite(folder, from, to));
        assert!(matches!(found, BundleFault::FrontEnd { .. }), "{to}: {found}");
    }
    let found = fault(|folder| edit(folder, |config| config["statistics"]["n_mfcc"] = json!(1_u64 << 40)));
    assert!(matches!(&found, BundleFault::FrontEnd { of, .. } if of == "statistics"), "{found}");
    for (from, to) in [
        (r#""activation""#, r#""activations""#),
        (r#""frames": 150"#, r#""frames": -1"#),
        (r#""frames": 150"#, r#""frames": 1e400"#),
        (r#""pad_value": 0.0"#, r#""pad_value": 1e400"#),
        (r#""frames": 150"#, r#""frames": "many""#),
        (r#""scaling": null"#, r#""scaling": "clop""#),
        (r#""activation": "softmax""#, r#""activation": "tanh""#),
    ] {
        let found = fault(|folder| rewrite(folder, from, to));
        assert!(matches!(found, BundleFault::Json(_)), "{to}: {found}");
    }
    for (from, to, expected) in [
        (r#""frames": 150"#, r#""frames": 150, "least_frames": 151"#, "learners.fine.windows.least_frames"),
        (r#""frames": 150"#, r#""frames": 150, "least_frames": 0"#, "learners.fine.windows.least_frames"),
        (r#""taps": 1024"#, r#""taps": 512"#, "resampler"),
    ] {
        let found = fault(|folder| rewrite(folder, from, to));
        assert!(matches!(&found, BundleFault::Setting { key, .. } if key == expected), "{to}: {found}");
    }
}

#[test]
fn features_beyond_memory_are_an_error_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    bundles::write(folder.path(), true);
    edit(folder.path(), |config| {
        let features = &mut config["learners"][0]["features"];
        (features["sr"], features["n_fft"], features["hop_length"]) = (json!(48_000), json!(64), json!(1));
    });
    let tagger = open(folder.path()).unwrap();
    let error = tagger.probabilities(&clip(130.0, 22_050), Path::new("long.wav")).unwrap_err();
    assert!(matches!(&error, TaggingError::TooLarge { values, .. } if *values > 1 << 29), "{error}");
}

/// Models whose widths differ from the description: without the check, their tags would be
/// plausible and wrong.
#[test]
fn a_model_of_another_shape_is_refused_when_it_is_loaded() {
    let network = |channels, classes| {
        let graph = find("resnet_nano").unwrap().graph(channels, classes);
        to_onnx(&graph, &bundles::common::weights(&graph)).unwrap()
    };
    let swapped = |bytes: Vec<u8>| refused(|folder| replace(folder, "fine.onnx", &bytes));
    for (channels, classes) in [(3, 2 * LABELS.len()), (3, LABELS.len() - 1), (1, LABELS.len())] {
        let error = swapped(network(channels, classes));
        assert!(matches!(&error, TaggingError::Shape { model, .. } if model == "fine.onnx"), "{error}");
    }
    for label in [r#""bark","#, r#""bark", "more","#] {
        let error = refused(|folder| rewrite(folder, r#""bark","#, if label == r#""bark","# { "" } else { label }));
        assert!(matches!(&error, TaggingError::Shape { .. }), "{error}");
    }
    let error = refused(|folder| {
        let stack = std::fs::read(folder.join("level2.onnx")).unwrap();
        replace(folder, "fine.onnx", &stack);
    });
    assert!(matches!(&error, TaggingError::Shape { .. }), "a stack is no network: {error}");
    let error = refused(|folder| edit(folder, |config| config["statistics"] = Value::Null));
    assert!(matches!(&error, TaggingError::Shape { model, .. } if model == "level2.onnx"), "{error}");
}

/// A field of Protocol Buffers with a message or string of less than 128 bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// What is refused in an ONNX file before ONNX Runtime, which runs parts of a model while it loads
/// it, gets any of the bundle's.
#[test]
fn a_model_is_one_file_of_standard_operators() {
    // A second graph in a file continues the first.
    let model_with = |graph: &[u8]| {
        let graph = field(7, graph);
        move |folder: &Path, name: &str| {
            let whole = std::fs::read(folder.join(name)).unwrap();
            replace(folder, name, &[whole, graph.clone()].concat());
        }
    };
    let node = |domain: &[u8]| [field(2, b"more"), field(4, b"Read"), field(7, domain)].concat();
    let tensor = |more: &[u8]| [field(8, b"weights"), more.to_vec()].concat();
    let location = [field(1, b"location"), field(2, b"/etc/passwd")].concat();
    // The branch of an `If`: the node has an attribute with a graph with a node.
    let inner = field(5, &[field(1, b"then_branch"), field(6, &field(1, &node(b"com.example")))].concat());
    let foreign = |fault: &BundleFault| matches!(fault, BundleFault::Operators { domain } if domain == "com.example");
    let external = |fault: &BundleFault| matches!(fault, BundleFault::ExternalData);
    type Is<'a> = &'a dyn Fn(&BundleFault) -> bool;
    let rows: [(&str, Vec<u8>, Is<'_>); 6] = [
        ("an operator", field(1, &node(b"com.example")), &foreign),
        ("an operator in a branch", field(1, &inner), &foreign),
        ("a place of weights", field(5, &tensor(&field(13, &location))), &external),
        ("weights elsewhere", field(5, &tensor(&[14 << 3, 1])), &external),
        ("weights elsewhere, a long number", field(5, &tensor(&[14 << 3, 0x81, 0x80, 0x80, 0x80, 0x10])), &external),
        ("weights of an attribute", field(1, &field(5, &field(5, &field(13, &location)))), &external),
    ];
    for (what, graph, is) in rows {
        for name in ["fine.onnx", "level2.onnx"] {
            match refused(|folder| model_with(&graph)(folder, name)) {
                TaggingError::Bundle { path, fault } => {
                    assert!(path.ends_with(name) && is(&fault), "{what} in {name}: {}: {fault}", path.display());
                }
                other => panic!("{what} in {name}: {other}"),
            }
        }
    }
    let group = [field(7, &[]), vec![7 << 3 | 3, 7 << 3 | 4]].concat();
    let deep = field(7, &(0..20).fold(Vec::new(), |graph, _| field(1, &field(5, &field(6, &graph)))));
    for bytes in [b"no model".to_vec(), Vec::new(), group, deep] {
        let found = fault(|folder| replace(folder, "fine.onnx", &bytes));
        assert!(matches!(found, BundleFault::NotOnnx), "{bytes:?}: {found}");
    }
    // The check accepts the standard domains by their names; ONNX Runtime does not know `Read`.
    for domain in [&b""[..], b"ai.onnx", b"ai.onnx.ml"] {
        let error = refused(|folder| model_with(&field(1, &node(domain)))(folder, "fine.onnx"));
        assert!(matches!(error, TaggingError::Runtime { action: "load", .. }), "{error}");
    }
}

#[test]
fn a_bundle_is_verified_by_a_second_of_noise() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let verified = verify(folder.path()).unwrap();
    assert_eq!(verified.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), FILES);
    assert!(verified.files.iter().all(|(name, bytes)| *bytes == folder.path().join(name).metadata().unwrap().len()));
    assert_eq!((verified.bundle.format(), verified.bundle.written_by()), (2, env!("CARGO_PKG_VERSION")));
    assert_eq!(Vec::from_iter(verified.bundle.models()), ["coarse.onnx", "fine.onnx", "level2.onnx"]);
    assert!(verified.unlisted.is_empty());
    let (bundle, mut files) = Bundle::read(folder.path()).unwrap();
    assert_eq!(bundle.stack_kind(&files), Some(StackKind::Trees));
    files.insert("level2.onnx".to_owned(), files["fine.onnx"].clone());
    assert_eq!(bundle.stack_kind(&files), Some(StackKind::LogisticRegression), "the network ends in a `Gemm`");
    files.insert("level2.onnx".to_owned(), b"\x3a\x00".to_vec());
    assert_eq!(bundle.stack_kind(&files), Some(StackKind::Other));
    // A file that is not listed is never read, so it cannot change a tag.
    std::fs::write(folder.path().join("a.onnx"), "no model").unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    assert_eq!(verify(folder.path()).unwrap().unlisted, ["a.onnx", "b"]);
    // Every weight is as it was written, but the outputs overflow.
    let graph = find("resnet_nano").unwrap().graph(3, LABELS.len());
    let mut weights = bundles::common::weights(&graph);
    for array in weights.0.values_mut() {
        array.data.iter_mut().for_each(|weight| *weight *= 1e30);
    }
    replace(folder.path(), "fine.onnx", &to_onnx(&graph, &weights).unwrap());
    open(folder.path()).map(|_| ()).unwrap();
    let error = verify(folder.path()).unwrap_err();
    assert!(matches!(&error, TaggingError::NotFinite { model, .. } if model == "fine.onnx"), "{error}");
}

#[test]
fn numbers_that_overflow_are_an_error_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let graph = find("resnet_nano").unwrap().graph(3, LABELS.len());
    let mut weights = bundles::common::weights(&graph);
    for array in weights.0.values_mut() {
        array.data.iter_mut().for_each(|weight| *weight *= 1e30);
    }
    replace(folder.path(), "fine.onnx", &to_onnx(&graph, &weights).unwrap());
    let error = open(folder.path()).unwrap().probabilities(&clip(1.0, 22_050), Path::new("some.wav")).unwrap_err();
    assert!(matches!(&error, TaggingError::NotFinite { what: "the outputs", .. }), "{error}");
    assert!(error.to_string().contains("some.wav"), "{error}");
}

/// Randomly changed descriptions: each is refused, or tagging a clip returns finite numbers or an
/// error.
#[test]
fn a_changed_description_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let config = std::fs::read(folder.path().join("config.json")).unwrap();
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let extremes =
        ["0", "-1", "1", "2", "7", "1e-38", "1e38", "1e308", "1e999", "65536", "1099511627776", "null", "[]"];
    let (mut opened, sound) = (0, clip(0.3, 16_000));
    for round in 0..400 {
        let text = String::from_utf8(config.clone()).unwrap();
        let mut changed = text.clone();
        match draw(4) {
            0 => {
                // Change a byte anywhere.
                let mut bytes = config.clone();
                let at = draw(bytes.len());
                bytes[at] = draw(256) as u8;
                changed = String::from_utf8_lossy(&bytes).into_owned();
            }
            1 => {
                let lines: Vec<&str> = text.lines().collect();
                let (from, to) = (draw(lines.len()), draw(lines.len()));
                changed = [&lines[..from], &lines[to..]].concat().join("\n");
            }
            _ => {
                // Replace a value with an extreme one.
                let values: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
                let at = values[draw(values.len())];
                let end = at + text[at..].find([',', '\n']).unwrap();
                changed.replace_range(at..end, extremes[draw(extremes.len())]);
            }
        }
        replace(folder.path(), "config.json", changed.as_bytes());
        if let Ok(tagger) = open(folder.path()) {
            opened += 1;
            if let Ok(probabilities) = tagger.probabilities(&sound, Path::new("clip")) {
                assert!(probabilities.iter().all(|p| p.is_finite()), "round {round}: {changed}");
            }
        }
        replace(folder.path(), "config.json", &config);
    }
    assert!((10..390).contains(&opened), "{opened} of 400 changed descriptions could be opened");
}
