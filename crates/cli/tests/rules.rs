//! If `earmark data check` reports an error, `earmark train` fails with the same message before it
//! decodes anything. Warnings stop neither.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, RECIPE, Ran, TRAIN_ALONE, float_wav};

/// Three clips of each of two classes, in a table and in class folders.
fn two_classes(name: &str) -> Place {
    let place = Place::new(name);
    let mut table = "fname,label\n".to_owned();
    for clip in 0..6_u16 {
        let label = ["Bell", "Bark"][usize::from(clip % 2)];
        let tone: Vec<f32> = (0..22_050).map(|at| 0.5 * (at as f32 * 0.01 * f32::from(clip + 1)).sin()).collect();
        for file in [format!("tables/audio_train/{clip}.wav"), format!("folders/{label}/{clip}.wav")] {
            place.write(&file, float_wav(&tone));
        }
        table += &format!("{clip}.wav,{label}\n");
    }
    place.write("tables/train.csv", table);
    place.write("recipe.toml", RECIPE);
    place
}

/// The command that trains one job on a folder.
fn train(data: &str) -> String {
    format!("{} --job a/fold0", TRAIN_ALONE.replace("--data data", &format!("--data {data}")))
}

#[test]
fn check_and_train_refuse_alike() {
    let place = two_classes("rules-alike");
    let table = place.text("tables/train.csv");
    for (from, to) in
        [("5.wav,Bark", "5.wav,Lonely"), ("Bell", "\"Be\nll\""), ("Bell", "fname"), ("5.wav,Bark", "5.wav,")]
    {
        place.write("tables/train.csv", table.replace(from, to));
        let checked = place.run("data check tables --folds 2").failed_naming(&[]);
        let refused = place.run(&train("tables")).failed();
        let reason = refused.stderr.lines().find_map(|line| line.strip_prefix("error: ")).unwrap();
        let reason = reason.trim_start_matches("tables: ");
        assert!((checked.stdout.clone() + &checked.stderr).contains(reason), "{reason}\n{checked}");
        assert!(!place.path("run").exists(), "nothing was decoded");
    }
    place.write("tables/train.csv", table);
    place.run("data check tables --folds 2").done();
    assert_eq!(place.run("data check tables --folds 1").code, Some(2));
    // All clips of a class are one sound, which cannot be in two folds.
    for clip in ["2", "4"] {
        place.write(&format!("tables/audio_train/{clip}.wav"), place.read("tables/audio_train/0.wav"));
    }
    let reason = "class \"Bell\" has 1 group, fewer than the 2 that cross-validation needs";
    let ran = place.run("data check tables --folds 2").failed();
    assert!(ran.stdout.contains(reason), "{ran}");
    place.run(&train("tables")).failed();
    for clip in ["2", "4"] {
        place.write(&format!("tables/audio_train/{clip}.wav"), place.read(&format!("folders/Bell/{clip}.wav")));
    }
    // Samples that no front end accepts.
    let mut loud = vec![0.25; 22_050];
    loud[11_025] = 1e29;
    place.write("tables/audio_train/3.wav", float_wav(&loud));
    let reason = "tables/audio_train/3.wav has a sample of 1e29 at 0.250 s; at most 1e12 is possible";
    let ran = place.run("data check tables --folds 2").failed();
    assert!(ran.stdout.contains(reason), "{ran}");
    place.run(&train("tables")).failed();
}

#[test]
fn a_given_fold_whose_clips_are_all_skipped_is_named() {
    let place = two_classes("rules-folds");
    let rows = (0..6).map(|clip| format!("{clip}.wav,{},{}\n", ["Bell", "Bark"][clip % 2], clip / 2));
    place.write("tables/train.csv", format!("fname,label,fold\n{}", rows.collect::<String>()));
    place.write("recipe.toml", RECIPE.replace("[data]", "[data]\ndamaged = \"skip\""));
    for fold in [1, 2] {
        place.remove("run");
        let clips = [2 * fold, 2 * fold + 1].map(|clip| format!("tables/audio_train/{clip}.wav"));
        let before = clips.each_ref().map(|clip| place.read(clip));
        clips.iter().for_each(|clip| place.write(clip, "no sound"));
        place.run(&train("tables")).failed();
        clips.iter().zip(before).for_each(|(clip, bytes)| place.write(clip, bytes));
    }
}

/// Runs a command without access to closed folders, even if the superuser runs the tests; `None` if
/// that is not possible.
#[cfg(unix)]
fn without_privileges(place: &Place, closed: &str, words: &str) -> Option<Ran> {
    if std::fs::read_dir(place.path(closed)).is_err() {
        return Some(place.run(words));
    }
    let program = env!("CARGO_BIN_EXE_earmark");
    let dropped = format!("--bounding-set -dac_override,-dac_read_search {program} {words}");
    let probe = "--bounding-set -dac_override,-dac_read_search true";
    let works = place.command_of("setpriv".as_ref(), probe).status().is_ok_and(|status| status.success());
    works.then(|| Ran::of(place.command_of("setpriv".as_ref(), &dropped), words))
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_listed_ends_nothing_but_what_needs_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = two_classes("rules-closed");
    let closed = ["tables/archive", "folders/lost+found", "folders/archive"];
    closed.iter().for_each(|folder| place.write(&format!("{folder}/old.wav"), float_wav(&[0.5; 900])));
    let allow = |folder: &str, mode: u32| {
        std::fs::set_permissions(place.path(folder), PermissionsExt::from_mode(mode)).unwrap();
    };
    closed.iter().for_each(|folder| allow(folder, 0));
    let run = |words: &str| without_privileges(&place, closed[0], words);
    let (Some(check), Some(trained)) = (run("data check tables --folds 2"), run(&train("tables"))) else {
        closed.iter().for_each(|folder| allow(folder, 0o755));
        return eprintln!("no way to be without privileges here: skipped");
    };
    let of_folders = ["data check folders --folds 2".to_owned(), train("folders")].map(|words| run(&words).unwrap());
    allow("folders/archive", 0o755);
    place.remove("folders/archive");
    place.remove("run");
    let lost = ["data check folders --folds 2".to_owned(), train("folders")].map(|words| run(&words).unwrap());
    closed[..2].iter().for_each(|folder| allow(folder, 0o755));

    let reason = "cannot list the folder tables/archive: Permission denied";
    assert!(check.stdout.contains(&format!("warning: {reason}")), "{check}");
    assert!(trained.stderr.contains(&format!("warning: {reason}")), "{trained}");
    check.done();
    trained.done();
    for ran in of_folders {
        // The folder may be a class.
        assert!((ran.stdout.clone() + &ran.stderr).contains("cannot list the folder folders/archive"), "{ran}");
        ran.failed_naming(&[]);
    }
    lost.into_iter().for_each(|ran| drop(ran.done()));
}
