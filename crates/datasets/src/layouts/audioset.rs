//! AudioSet: lists of segments of videos, and sounds that one of its many downloaders has stored.
//!
//! Source: J. F. Gemmeke et al. 2017, "Audio Set: An ontology and human-labeled dataset for audio
//! events"; the format of the lists is described at
//! <https://research.google.com/audioset/download.html>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::clip_list::{ClipList, ListedClip};
use crate::error::{DatasetError, Location};
use crate::options::OpenOptions;
use crate::table::ClipTable;
use crate::task::Task;
use crate::walk::sound_files;

/// The lists of training segments.
pub(super) const TRAIN: [&str; 2] = ["balanced_train_segments.csv", "unbalanced_train_segments.csv"];
const TEST: &str = "eval_segments.csv";
/// `index,mid,display_name`: the names of the classes.
const CLASSES: &str = "class_labels_indices.csv";

/// The names of the values of a segment.
const VALUES: [&str; 4] = ["YTID", "start_seconds", "end_seconds", "positive_labels"];

/// Whether a text is a list of segments: it begins with comments, one of which names the values.
pub(super) fn is_list(text: &str) -> bool {
    let mut comments = text.lines().take_while(|line| line.starts_with('#'));
    comments.any(|line| line.trim_start_matches(['#', ' ']).starts_with("YTID,"))
}

/// Reads one list of training segments, whose sounds are below `audio`.
pub(super) fn list(path: &Path, audio: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    fixed_columns(path, options)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut list = ClipList { task: Task::MultiLabel, ..ClipList::default() };
    let (train, absent) = segments(path, &names(folder)?, &Sounds::below(audio)?)?;
    (list.train, list.excluded) = (train, absent);
    Ok(list)
}

/// Reads the lists in a folder; the sounds are anywhere below it.
pub(super) fn folder(root: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    fixed_columns(root, options)?;
    let (names, sounds) = (names(root)?, Sounds::below(root)?);
    let mut list = ClipList { task: Task::MultiLabel, ..ClipList::default() };
    for (name, is_test) in [(TRAIN[0], false), (TRAIN[1], false), (TEST, true)] {
        let path = root.join(name);
        if path.is_file() {
            let (clips, absent) = segments(&path, &names, &sounds)?;
            if is_test { &mut list.test } else { &mut list.train }.extend(clips);
            list.excluded.extend(absent);
        }
    }
    Ok(list)
}

fn fixed_columns(path: &Path, options: &OpenOptions) -> Result<(), DatasetError> {
    match options.of_a_table() {
        true => Err(DatasetError::FixedColumns { path: path.to_owned() }),
        false => Ok(()),
    }
}

/// The names of the classes by their identifiers, such as `/m/09x0r`; none without the table.
fn names(folder: &Path) -> Result<Option<BTreeMap<String, String>>, DatasetError> {
    let path = folder.join(CLASSES);
    if !path.is_file() {
        return Ok(None);
    }
    let table = ClipTable::read(&path)?;
    let (mid, name) = (table.column(&["mid"])?, table.column(&["display_name"])?);
    let mut names = BTreeMap::new();
    for (line, fields) in table.rows() {
        names.insert(table.value(line, fields, mid)?.to_owned(), table.value(line, fields, name)?.to_owned());
    }
    Ok(Some(names))
}

/// Reads the segments that have a sound, and what the files of the others might have been called:
/// videos disappear, so no copy of AudioSet is complete.
fn segments(
    path: &Path,
    names: &Option<BTreeMap<String, String>>,
    sounds: &Sounds,
) -> Result<(Vec<ListedClip>, Vec<PathBuf>), DatasetError> {
    let text = earmark_files::read_to_string(path)?;
    let (mut clips, mut absent) = (Vec::new(), Vec::new());
    let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.starts_with('#') && !line.trim().is_empty()) {
        let place = Location { path: path.to_owned(), line: Some(number) };
        let fields: Vec<&str> = line.splitn(4, ',').map(str::trim).collect();
        let [video, start, end, labels] = fields[..] else {
            return Err(DatasetError::Table { place, reason: format!("it is not `{}`", VALUES.join(", ")) });
        };
        let seconds = number_of(&place, 1, start)?;
        number_of(&place, 2, end)?;
        let labels = labels.trim_matches('"').split(',').map(str::trim);
        let labels = labels.map(|mid| name_of(&place, mid, names)).collect::<Result<_, _>>()?;
        let name = format!("{video}_{start}");
        match sounds.of(video, seconds) {
            Some(sound) => clips.push(ListedClip {
                name,
                path: sound.clone(),
                labels,
                verified: true,
                fold: None,
                group: Some(video.to_owned()),
                usage: None,
                place,
            }),
            None => absent.push(sounds.folder.join(name)),
        }
    }
    Ok((clips, absent))
}

fn number_of(place: &Location, value: usize, text: &str) -> Result<f64, DatasetError> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| bad_value(place, value, text, "a number of seconds".to_owned()))
}

fn name_of(place: &Location, mid: &str, names: &Option<BTreeMap<String, String>>) -> Result<String, DatasetError> {
    match names {
        None => Ok(mid.to_owned()),
        Some(names) => {
            let unknown = || bad_value(place, 3, mid, format!("identifiers in the column mid of {CLASSES}"));
            names.get(mid).cloned().ok_or_else(unknown)
        }
    }
}

fn bad_value(place: &Location, value: usize, text: &str, wanted: String) -> DatasetError {
    let (column, value) = (VALUES[value].to_owned(), text.to_owned());
    DatasetError::BadValue { place: place.clone(), column, value, wanted }
}

/// The length of a video's identifier.
const VIDEO: usize = 11;

/// The sounds below a folder, by the identifier of their video.
struct Sounds {
    folder: PathBuf,
    of_video: BTreeMap<String, Vec<(Option<f64>, PathBuf)>>,
}

impl Sounds {
    fn below(folder: &Path) -> Result<Self, DatasetError> {
        let mut of_video: BTreeMap<String, Vec<(Option<f64>, PathBuf)>> = BTreeMap::new();
        for path in sound_files(folder)? {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some((video, start)) = video_and_start(&stem) {
                of_video.entry(video.to_owned()).or_default().push((start, path));
            }
        }
        Ok(Self { folder: folder.to_owned(), of_video })
    }

    /// The sound of a segment. Some downloaders write milliseconds. Of several copies of a sound,
    /// as in a folder per class, the first by path is taken.
    fn of(&self, video: &str, start: f64) -> Option<&PathBuf> {
        let is = |of: f64| (of - start).abs() < 5e-4 || (of - 1000.0 * start).abs() < 0.5;
        let sounds = self.of_video.get(video)?;
        sounds.iter().find(|(of, _)| of.is_none_or(is)).map(|(_, path)| path)
    }
}

/// The video of a file, and the start of its segment if the name has one. The names in use are
/// `YTID`, `YYTID` (PANNs), `YTID_START` (unixpickle, audioset-processing), `YTID_START_END` (in
/// milliseconds: audiosetdl) and `YTID_START-END` (audioset-download).
fn video_and_start(stem: &str) -> Option<(&str, Option<f64>)> {
    let split = |stem: &'_ str| -> Option<usize> {
        let rest = stem.get(VIDEO..)?;
        (rest.is_empty() || rest.starts_with('_')).then_some(VIDEO)
    };
    let stem = match stem.strip_prefix('Y').filter(|rest| split(rest).is_some()) {
        Some(rest) => rest,
        None => stem,
    };
    let (video, rest) = stem.split_at(split(stem)?);
    match rest.strip_prefix('_') {
        None => Some((video, None)),
        Some(rest) => {
            let start = rest.split(['_', '-']).next()?.parse().ok()?;
            Some((video, Some(start)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::video_and_start;

    #[test]
    fn names_of_all_downloaders() {
        for (stem, expected) in [
            ("-0RWZT-miFs", Some(("-0RWZT-miFs", None))),
            ("Y-0RWZT-miFs", Some(("-0RWZT-miFs", None))),
            ("Yabcdefghij", Some(("Yabcdefghij", None))),
            ("YYabcdefghij", Some(("Yabcdefghij", None))),
            ("-0RWZT-miFs_420.000", Some(("-0RWZT-miFs", Some(420.0)))),
            ("--PJHxphWEs_30.000_40.000", Some(("--PJHxphWEs", Some(30.0)))),
            ("--PJHxphWEs_30000_40000", Some(("--PJHxphWEs", Some(30_000.0)))),
            ("--PJHxphWEs_30.0-40.0", Some(("--PJHxphWEs", Some(30.0)))),
            ("Y__p-iA312kg_70", Some(("__p-iA312kg", Some(70.0)))),
            ("short", None),
            ("--PJHxphWEs-30", None),
            ("--PJHxphWEs_new", None),
            ("-0RWZT-miFß_1", None),
        ] {
            assert_eq!(video_and_start(stem), expected, "{stem}");
        }
    }
}
