//! Real sounds: a few clips of ESC-10, in the folder that EARMARK_ESC10 names, with the folds of
//! the data set.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::fs;

use common::{Place, RECIPE, clips, from_environment};

const CLASSES: [&str; 3] = ["001 - Dog bark", "002 - Rain", "009 - Rooster"];
const CLIPS_OF_A_FOLD: usize = 4;

#[test]
fn a_few_clips_of_esc10() {
    let Some(esc10) = from_environment("EARMARK_ESC10") else { return };
    let place = Place::new("real");
    for class in CLASSES {
        let mut names: Vec<String> = fs::read_dir(esc10.join(class))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".ogg"))
            .collect();
        names.sort();
        for fold in "12345".chars() {
            let of_fold: Vec<_> = names.iter().filter(|name| name.starts_with(fold)).take(CLIPS_OF_A_FOLD).collect();
            assert_eq!(of_fold.len(), CLIPS_OF_A_FOLD, "{class}, fold {fold}");
            for name in of_fold {
                place.write(&format!("data/{class}/{name}"), fs::read(esc10.join(class).join(name)).unwrap());
            }
        }
    }
    let recipe = RECIPE.replace("epochs = 2", "epochs = 6\nnesterov = true").replace("rounds = 5", "rounds = 20");
    place.write("recipe.toml", recipe.replace("crop_seconds = 0.5", "crop_seconds = 1.5"));
    let words =
        r"train --recipe recipe.toml --data data --out run --folds-from ^(?:.*/)?(\d)- --jobs 2 --threads 2 --json";
    let results = place.run(words).done().json();

    let train = clips(&place, "run", "train");
    assert_eq!(train.len(), CLASSES.len() * 5 * CLIPS_OF_A_FOLD);
    for (name, (label, fold)) in &train {
        let file = name.rsplit('/').next().unwrap();
        assert_eq!(file[..1].parse::<usize>().unwrap(), fold.parse::<usize>().unwrap() + 1, "{name}");
        let folder = CLASSES.iter().find(|class| class.ends_with(label.as_str())).unwrap();
        assert!(place.path(&format!("data/{folder}/{file}")).is_file(), "{name} is a {label}");
    }
    let stack = results["systems"].as_array().unwrap().last().unwrap();
    let accuracy = stack["out_of_fold"]["accuracy"].as_f64().unwrap();
    eprintln!("stack, out of fold: accuracy {accuracy:.3}");
    assert!(accuracy > 0.7, "chance is one third, the stack's accuracy {accuracy}");
    assert!(stack["test"].is_null(), "there are no test clips");

    // The networks were trained for seconds. Each clip is one of the training clips.
    let answers = place.run("tag data --model run/bundle --json").done().json();
    let answers = answers.as_array().unwrap();
    let is_right = |answer: &&serde_json::Value| {
        answer["path"].as_str().unwrap().contains(answer["tags"][0]["label"].as_str().unwrap())
    };
    let right = answers.iter().filter(is_right).count();
    assert!(answers.len() == train.len() && right > train.len() * 3 / 4, "{right} of {} are right", answers.len());
}
