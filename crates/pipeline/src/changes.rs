//! Compares the recipe and the clips with those that a run was begun with, key by key and clip by
//! clip.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::error::Result;
use crate::recipe::Recipe;
use crate::run::ClipRow;

/// The maximum number of differences that are listed.
const SHOWN: usize = 5;

/// How a recipe differs from the one that a run was begun with.
#[derive(Debug)]
pub struct RecipeChanges {
    /// Where the values are, as text.
    places: [&'static str; 2],
    /// Differing keys with both values, as text.
    pub differences: Vec<String>,
    /// Learners that the run does not have yet, by name.
    pub new_learners: Vec<String>,
    /// Learners of the run that the recipe does not have, by name.
    pub gone_learners: Vec<String>,
}

impl RecipeChanges {
    /// Compares parsed recipes, so that a missing key has its default value.
    pub fn between(run: &Recipe, now: &Recipe) -> Result<Self> {
        let (run, now) = (Value::Table(by_name(run)?), Value::Table(by_name(now)?));
        Ok(Self::of_values(["in the run", "in the recipe"], &run, &now))
    }

    /// Compares settings in two places.
    pub fn of_values(places: [&'static str; 2], then: &Value, now: &Value) -> Self {
        let mut changes = Self { places, differences: Vec::new(), new_learners: Vec::new(), gone_learners: Vec::new() };
        changes.walk("", then, now);
        changes
    }

    /// Whether the recipes differ only in settings of level 2 that do not require any job to run
    /// again.
    pub fn level2_alone(&self) -> bool {
        let of_level2 =
            |difference: &String| difference.starts_with("stack.") && !difference.starts_with("stack.test_from");
        self.new_learners.is_empty() && self.differences.iter().all(of_level2)
    }

    fn walk(&mut self, key: &str, run: &Value, now: &Value) {
        let [there, here] = self.places;
        let (Value::Table(run), Value::Table(now)) = (run, now) else {
            if run != now {
                self.differences.push(format!("{key}: {run} {there}, {now} {here}"));
            }
            return;
        };
        for name in run.keys().chain(now.keys().filter(|name| !run.contains_key(*name))) {
            let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            match (run.get(name), now.get(name)) {
                (Some(run), Some(now)) => self.walk(&inner, run, now),
                (None, Some(_)) if key == "learners" => self.new_learners.push(name.clone()),
                (Some(_), None) if key == "learners" => self.gone_learners.push(name.clone()),
                // Learners that use these features differ in their `features` key, which is
                // reported instead.
                (None, Some(_)) | (Some(_), None) if key == "features" => {}
                (None, Some(Value::Table(_))) => self.differences.push(format!("{inner}: not set {there}, set {here}")),
                (Some(Value::Table(_)), None) => self.differences.push(format!("{inner}: set {there}, not set {here}")),
                (None, Some(now)) => self.differences.push(format!("{inner}: not set {there}, {now} {here}")),
                (Some(run), None) => self.differences.push(format!("{inner}: {run} {there}, not set {here}")),
                (None, None) => {}
            }
        }
    }
}

/// The text of a run's recipe with the learners of `now` and their front ends; `None` if nothing
/// changes. Everything else keeps its value.
pub fn with_learners_of(run: &str, now: &Recipe) -> Result<Option<String>> {
    let before: Table = toml::from_str(run)?;
    let mut text = before.clone();
    let mut new = now.complete()?;
    let name = |learner: &Value| learner.get("name")?.as_str().map(str::to_owned);
    if let (Some(Value::Array(learners)), Some(Value::Array(of_now))) = (text.get_mut("learners"), new.get("learners"))
    {
        let names = |of: &[Value]| of.iter().filter_map(name).collect::<BTreeSet<_>>();
        let (there, here) = (names(learners), names(of_now));
        learners.retain(|learner| name(learner).is_none_or(|name| here.contains(&name)));
        learners
            .extend(of_now.iter().filter(|learner| name(learner).is_some_and(|name| !there.contains(&name))).cloned());
    }
    if let (Some(Value::Table(features)), Some(Value::Table(of_now))) =
        (text.get_mut("features"), new.get_mut("features"))
    {
        features.retain(|name, _| of_now.contains_key(name));
        for (name, front_end) in std::mem::take(of_now) {
            features.entry(name).or_insert(front_end);
        }
    }
    Ok(if text == before { None } else { Some(toml::to_string(&text)?) })
}

/// A recipe as TOML values, with its learners keyed by name.
fn by_name(recipe: &Recipe) -> Result<Table> {
    let mut table: Table = toml::from_str(&toml::to_string(recipe)?)?;
    // How a GPU computes may change, as may the device.
    table.remove("gpu");
    if let Some(Value::Array(learners)) = table.remove("learners") {
        let named =
            learners.into_iter().filter_map(|learner| Some((learner.get("name")?.as_str()?.to_owned(), learner)));
        table.insert("learners".to_owned(), Value::Table(named.collect()));
    }
    Ok(table)
}

/// How the current clips differ from those of a run, as text; `None` if they do not.
pub fn clip_changes(run: &[ClipRow], now: &[ClipRow]) -> Option<String> {
    let key = |clip: &ClipRow| (clip.set.clone(), clip.fname.clone());
    let of_run: BTreeMap<_, _> = run.iter().map(|clip| (key(clip), clip)).collect();
    let of_now: BTreeMap<_, _> = now.iter().map(|clip| (key(clip), clip)).collect();
    let mut changes = Vec::new();
    changes.extend(
        now.iter().filter(|clip| !of_run.contains_key(&key(clip))).map(|clip| format!("{} is new", clip.fname)),
    );
    changes.extend(
        run.iter().filter(|clip| !of_now.contains_key(&key(clip))).map(|clip| format!("{} is gone", clip.fname)),
    );
    // If clips are new or gone, many others get a different drawn fold; listing those adds nothing.
    let same_clips = changes.is_empty();
    for (there, here) in of_run.iter().filter_map(|(key, there)| Some((there, of_now.get(key)?))) {
        let fold = |clip: &ClipRow| clip.fold.map_or("none".to_owned(), |fold| fold.to_string());
        let what = [
            (here.sha256 != there.sha256, "its file has changed".to_owned()),
            (here.label != there.label, format!("its label is {:?} here, {:?} there", here.label, there.label)),
            (same_clips && here.fold != there.fold, format!("its fold is {} here, {} there", fold(here), fold(there))),
            (here.verified != there.verified, format!("verified is {} here, {} there", here.verified, there.verified)),
        ];
        let what: Vec<String> = what.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect();
        if !what.is_empty() {
            changes.push(format!("{}: {}", here.fname, what.join(", ")));
        }
    }
    if changes.is_empty() && run != now {
        changes.push("the order of the clips has changed".to_owned());
    }
    (!changes.is_empty()).then(|| listed(&changes))
}

/// The first few differences, and how many more there are.
pub fn listed(differences: &[String]) -> String {
    let shown = differences[..differences.len().min(SHOWN)].join("; ");
    match differences.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = r#"
        [features.logmel]
        kind = "logmel"
        [[learners]]
        name = "net"
        arch = "resnet_nano"
        features = "logmel"
        epochs = 3
        batch_size = 8
        learning_rate = 0.1
    "#;
    const NEW: &str = r#"
        [features.wave]
        kind = "wave"
        [[learners]]
        name = "waves"
        arch = "wave_resnet_nano"
        features = "wave"
        epochs = 3
        batch_size = 8
        learning_rate = 0.1
    "#;

    fn changes(run: &str, now: &str) -> RecipeChanges {
        let [run, now] = [run, now].map(|text| toml::from_str(text).unwrap());
        RecipeChanges::between(&run, &now).unwrap()
    }

    #[test]
    fn differences_name_the_key_and_both_values() {
        let said = |now: &str| changes(RECIPE, now).differences;
        assert!(said(&RECIPE.replace("epochs = 3", "epochs = 3\nmomentum = 0.9")).is_empty(), "a default");
        assert_eq!(
            said(&RECIPE.replace("epochs = 3", "epochs = 2")),
            ["learners.net.epochs: 3 in the run, 2 in the recipe"]
        );
        assert_eq!(said(&format!("seed = 4\n{RECIPE}")), ["seed: 0 in the run, 4 in the recipe"]);
        let fmax = RECIPE.replace("kind = \"logmel\"", "kind = \"logmel\"\nfmax = 9000.0");
        assert_eq!(said(&fmax), ["features.logmel.fmax: not set in the run, 9000.0 in the recipe"]);
        let other = RECIPE.replace("name = \"net\"", "name = \"other\"");
        assert!(said(&other).is_empty());
        let gone = changes(RECIPE, &other);
        assert_eq!(
            (&gone.gone_learners[..], &gone.new_learners[..]),
            (&["net".to_owned()][..], &["other".to_owned()][..])
        );
        let mixup = RECIPE.replace("epochs = 3", "epochs = 3\nmixup = 0.1");
        assert_eq!(said(&mixup), ["learners.net.mixup: 0.0 in the run, 0.1 in the recipe"]);
        assert!(said(&format!("{RECIPE}\n[gpu]\ntf32 = false")).is_empty(), "a GPU may be used in another way");
    }

    #[test]
    fn a_new_learner_is_added_and_the_rest_stays() {
        let both = format!("{RECIPE}{NEW}");
        let changes = changes(RECIPE, &both);
        assert!(changes.differences.is_empty(), "{changes:?}");
        assert_eq!(changes.new_learners, ["waves"]);
        let now: Recipe = toml::from_str(&both).unwrap();
        // A recipe written before a key existed does not get it.
        let text = with_learners_of(RECIPE, &now).unwrap().unwrap();
        let old: Value = toml::from_str::<Table>(&text).unwrap()["learners"][0].clone();
        assert_eq!(old, toml::from_str::<Table>(RECIPE).unwrap()["learners"][0]);
        let merged: Recipe = toml::from_str(&text).unwrap();
        assert!(RecipeChanges::between(&merged, &now).unwrap().new_learners.is_empty());
        assert_eq!(merged.learners, now.learners);
        // Removing the learner again restores the original recipe.
        let back = with_learners_of(&text, &toml::from_str(RECIPE).unwrap()).unwrap().unwrap();
        assert_eq!(toml::from_str::<Table>(&back).unwrap(), toml::from_str::<Table>(RECIPE).unwrap());
        assert_eq!(with_learners_of(RECIPE, &toml::from_str(RECIPE).unwrap()).unwrap(), None);
    }

    #[test]
    fn clips_that_changed_are_named() {
        let clip = |fname: &str| ClipRow {
            fname: fname.to_owned(),
            set: "train".to_owned(),
            label: "Dog".to_owned(),
            verified: true,
            fold: Some(0),
            sha256: "0".to_owned(),
        };
        let run = [clip("a"), clip("b")];
        let said = |now: &[ClipRow]| clip_changes(&run, now);
        assert_eq!(said(&run), None);
        assert_eq!(said(&[clip("a")]).unwrap(), "b is gone");
        assert_eq!(said(&[clip("a"), clip("b"), clip("c")]).unwrap(), "c is new");
        let other = ClipRow { fold: Some(1), sha256: "1".to_owned(), ..clip("b") };
        assert_eq!(said(&[clip("a"), other]).unwrap(), "b: its file has changed, its fold is 1 here, 0 there");
        assert_eq!(said(&[clip("b"), clip("a")]).unwrap(), "the order of the clips has changed");
    }
}
