//! The fingerprint of a job: the hash of everything that determines its outcome. Renamed settings
//! are hashed under their former names, so that jobs from before the renaming are still recognized.

use serde_json::{Map, Value};

/// The section of a setting (empty for the learner itself), its name, its former name.
const FORMER: [(&str, &str, &str); 6] = [
    ("", "ema_decay", "weight_average"),
    ("kernel", "alpha", "ridge"),
    ("augmentation", "crop_length_jitter", "length"),
    ("augmentation", "time_stretch", "stretch"),
    ("augmentation", "freq_warp", "warp"),
    ("augmentation", "freq_masks", "frequency_masks"),
];

/// The settings of a learner, under the names that are hashed.
pub(crate) fn with_former_names(mut learner: Value) -> Value {
    for (section, name, former) in FORMER {
        let table = if section.is_empty() { Some(&mut learner) } else { learner.get_mut(section) };
        if let Some(table) = table.and_then(Value::as_object_mut) {
            rename(table, name, former);
        }
    }
    learner
}

fn rename(table: &mut Map<String, Value>, name: &str, former: &str) {
    if let Some(value) = table.remove(name) {
        table.insert(former.to_owned(), value);
    }
}
