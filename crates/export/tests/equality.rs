//! An exported file gives the scores of the tagger, for every front end, every way to cut windows
//! and every length of a sound.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

#[path = "../../training/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{uniform, weights};
use earmark_audio::Clip;
use earmark_export::{ExportError, Options, export};
use earmark_features::{
    Activation, FrontEnd, InputScaling, MfccStatistics, Padding, Scaling, StatisticSet, WindowAggregation, Windowing,
};
use earmark_nets::{find, linear, to_onnx};
use earmark_onnx::proto::{AttributeProto, Dim, ELEM_F32, GraphProto, NodeProto, OPSET, TensorProto, ValueInfoProto};
use earmark_tagging::{Bundle, ExportedModel, Learner, Network, Parallelism, Tagger};

const LABELS: [&str; 3] = ["bark", "meow", "rain"];
/// The largest difference of a score, a tenth of what users are promised.
const TOLERANCE: f32 = 1e-4;
/// The windows of most cases have this many frames.
const FRAMES: usize = 60;

/// A bundle and its files.
struct Case {
    bundle: Bundle,
    files: BTreeMap<String, Vec<u8>>,
}

fn windowing() -> Windowing {
    let (padding, average) = (Padding::Zero, WindowAggregation::Probabilities);
    Windowing { frames: FRAMES, hop: 25, padding, pad_value: 0.0, average, least_frames: None }
}

impl Case {
    fn new() -> Self {
        let labels = LABELS.map(str::to_owned).to_vec();
        Self { bundle: Bundle::new(labels, Vec::new(), None, None), files: BTreeMap::new() }
    }

    /// A bundle of one learner with two networks.
    fn of(features: &str, windows: Windowing, scaling: InputScaling) -> Self {
        Self::new().with(features, windows, scaling)
    }

    /// The bundle with another learner.
    fn with(mut self, features: &str, windows: Windowing, scaling: InputScaling) -> Self {
        let features: FrontEnd = serde_json::from_str(features).unwrap();
        let (channels, name) = (features.shape().0, format!("l{}", self.bundle.learners.len()));
        let is_wave = matches!(features, FrontEnd::Wave { .. });
        let windows = if features.is_of_whole_clips() { Windowing { frames: 1, hop: 1, ..windows } } else { windows };
        let mut networks = Vec::new();
        for number in 0..2 {
            let arch = if is_wave { "wave_resnet_nano" } else { "resnet_nano" };
            let graph = match features.is_of_whole_clips() {
                true => linear::graph(channels, LABELS.len()),
                false => find(arch).unwrap().graph(channels, LABELS.len()),
            };
            let mut weights = weights(&graph);
            // The networks differ.
            weights.0.values_mut().flat_map(|array| &mut array.data).for_each(|x| *x *= 1.0 - 0.1 * number as f32);
            let file = format!("{name}-{number}.onnx");
            self.files.insert(file.clone(), to_onnx(&graph, &weights).unwrap());
            networks.push(Network { file, scaling: scaling.clone() });
        }
        let arch = "small".to_owned();
        self.bundle.learners.push(Learner { name, arch, features, windows, networks });
        self
    }

    /// The bundle with level 2: a softmax of weighted columns, of which the last are statistics.
    fn with_stack(mut self, statistics: MfccStatistics) -> Self {
        let values = statistics.n_mfcc * statistics.set.statistics().len();
        let columns = self.bundle.learners.len() * LABELS.len() + values;
        let node = |op_type: &str, input: [&str; 2], output: &str| NodeProto {
            input: input.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op_type.to_owned(),
            attribute: if op_type == "Softmax" { vec![AttributeProto::int("axis", 1)] } else { Vec::new() },
            domain: String::new(),
        };
        let shares: Vec<f32> = uniform("shares", columns * LABELS.len()).into_iter().map(|x| x / 50.0).collect();
        let tensor = |name: &str, width| ValueInfoProto::tensor(name, ELEM_F32, &[Dim::Free("N"), Dim::Fixed(width)]);
        let graph = GraphProto {
            name: "stack".to_owned(),
            node: vec![node("MatMul", ["x", "w"], "margins"), node("Softmax", ["margins", ""], "probabilities")],
            initializer: vec![TensorProto::f32("w", &[columns, LABELS.len()], &shares)],
            input: vec![tensor("x", columns)],
            output: vec![tensor("probabilities", LABELS.len())],
            ..GraphProto::default()
        };
        self.files.insert("stack.onnx".to_owned(), earmark_onnx::model(graph, &[("", OPSET)]).unwrap());
        (self.bundle.stack, self.bundle.statistics) = (Some("stack.onnx".to_owned()), Some(statistics));
        self
    }

    /// The largest difference between the file's scores and the tagger's, for sounds of these
    /// lengths at the file's rate.
    fn difference(&self, lengths: &[usize]) -> f32 {
        let folder = tempfile::tempdir().unwrap();
        self.bundle.write(folder.path(), self.files.clone()).unwrap();
        let tagger = Tagger::open(folder.path(), Parallelism::split(1, 1)).unwrap();
        let exported = export(&self.bundle, &self.files, &Options::default()).unwrap();
        let mut model = ExportedModel::load("model.onnx", &exported.bytes, 1).unwrap();
        let mut largest: f32 = 0.0;
        for &length in lengths {
            let clip = sound(length, exported.sample_rate);
            let expected = tagger.probabilities(&clip, Path::new("sound"));
            match (expected, model.scores(&clip.samples)) {
                (Ok(expected), Ok(scores)) => {
                    let apart = scores.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                    let apart = apart.fold(0.0, f32::max);
                    largest = largest.max(apart);
                    assert!(scores.iter().all(|score| score.is_finite()), "{length}: {scores:?}");
                }
                // What is too short for the tagger is so for the file.
                (Err(_), Err(_)) => {}
                (expected, scores) => panic!("{length} samples: {expected:?}, but {scores:?}"),
            }
        }
        largest
    }
}

/// A rising tone that comes and goes, with noise.
fn sound(length: usize, sample_rate: u32) -> Clip {
    let noise = uniform("sound", length);
    let tone = |n: usize| {
        let t = n as f64 / f64::from(sample_rate);
        ((2000.0 * (1.0 + t) * t).sin() * (3.0 * t).sin().abs()) as f32
    };
    Clip { samples: (0..length).map(|n| 0.5 * tone(n) + 0.01 * noise[n]).collect(), sample_rate }
}

#[track_caller]
fn check(cases: impl IntoIterator<Item = (String, Case)>, lengths: &[usize]) {
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let apart = case.difference(lengths);
        println!("{name}: {apart:.1e}");
        if apart > TOLERANCE {
            wrong.push(format!("{name}: {apart:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lengths around the edges of a frame, of a window of 60 frames of 80 samples at 8 kHz, and of the
/// hop of 25 frames.
const LENGTHS: [usize; 14] = [1, 2, 100, 255, 256, 257, 1_000, 4_719, 4_720, 4_799, 4_800, 4_801, 6_800, 20_011];

#[test]
fn every_front_end_is_that_of_the_tagger() {
    let base = r#""sr": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20"#;
    let settings = [
        r#""deltas": true"#,
        r#""deltas": false, "pad_mode": "reflect""#,
        r#""deltas": false, "pad_mode": "symmetric""#,
        r#""deltas": false, "power": 1.0"#,
        r#""deltas": false, "pad_mode": "edge", "ref": "max", "top_db": 60.0"#,
        r#""deltas": false, "center": false, "htk": true, "norm": "none", "top_db": -1"#,
        r#""deltas": false, "window": "hamming", "win_length": 200, "ref": 0.1, "fmin": 100.0, "fmax": 3000.0"#,
        r#""deltas": false, "preemphasis": 0.97, "pad_mode": "reflect", "log_offset": 1e-5, "htk": true,
           "bands": "kaldi", "norm": "none", "periodic": false"#,
        r#""deltas": true, "delta_mode": "nearest", "delta_width": 5"#,
        r#""deltas": true, "delta_mode": "mirror""#,
        r#""deltas": true, "delta_mode": "constant""#,
        r#""deltas": true, "delta_mode": "wrap""#,
        r#""deltas": true, "delta": "fir""#,
    ];
    let logmel = settings.map(|settings| format!(r#"{{"kind": "logmel", {base}, {settings}}}"#));
    let others = [
        // Frames whose length is a prime number, and has no divisor in common with the hop.
        r#"{"kind": "logmel", "sr": 8000, "n_fft": 251, "hop_length": 80, "n_mels": 20, "deltas": false}"#.to_owned(),
        format!(r#"{{"kind": "mfcc", {base}, "n_mfcc": 13}}"#),
        format!(r#"{{"kind": "summary", {base}, "n_mfcc": 10}}"#),
        r#"{"kind": "summary", "sr": 8000, "n_fft": 64, "hop_length": 20, "n_mels": 9, "n_mfcc": 5}"#.to_owned(),
    ];
    let fixed = |features: &str| {
        let channels = serde_json::from_str::<FrontEnd>(features).unwrap().shape().0;
        InputScaling::Fixed(Scaling { mean: vec![-20.0; channels], deviation: vec![30.0; channels] })
    };
    let cases = logmel.into_iter().chain(others);
    check(cases.map(|features| (features.clone(), Case::of(&features, windowing(), fixed(&features)))), &LENGTHS);
}

#[test]
fn every_window_is_cut_as_by_the_tagger() {
    let logmel = r#"{"kind": "logmel", "sr": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}"#;
    let windows = [
        ("hop", Windowing { hop: 7, ..windowing() }),
        ("pad value", Windowing { pad_value: -1.5, ..windowing() }),
        ("repeat", Windowing { padding: Padding::Repeat, ..windowing() }),
        ("reflect", Windowing { padding: Padding::Reflect, ..windowing() }),
        ("logits", Windowing { average: WindowAggregation::Logits, ..windowing() }),
        ("least frames", Windowing { least_frames: Some(20), ..windowing() }),
    ];
    let scaled = |(name, windows): (&str, Windowing)| {
        let of = |scaling| Case::of(logmel, windows.clone(), scaling);
        [(format!("{name}, clip"), of(InputScaling::Clip)), (name.to_owned(), of(InputScaling::None))]
    };
    check(windows.into_iter().flat_map(scaled), &LENGTHS);
    let wave = r#"{"kind": "wave", "sr": 8000}"#;
    let windows = Windowing { frames: 4_000, hop: 3_000, ..windowing() };
    let waves = [Padding::Zero, Padding::Repeat, Padding::Reflect].map(|padding| {
        let windows = Windowing { padding, ..windows.clone() };
        (format!("wave, {padding:?}"), Case::of(wave, windows, InputScaling::Clip))
    });
    check(waves, &[1, 3, 3_999, 4_000, 4_001, 7_000, 7_001, 30_000]);
}

#[test]
fn several_learners_rates_and_statistics_are_combined() {
    let logmel = |sr: u32| format!(r#"{{"kind": "logmel", "sr": {sr}, "n_fft": 256, "hop_length": 80, "n_mels": 20}}"#);
    let learners = || {
        let case = Case::of(&logmel(8_000), windowing(), InputScaling::Clip);
        let case = case.with(&logmel(11_025), windowing(), InputScaling::None);
        case.with(r#"{"kind": "wave", "sr": 16000}"#, Windowing { frames: 9_000, ..windowing() }, InputScaling::None)
    };
    let mut several = learners();
    several.bundle.activation = Activation::Sigmoid;
    several.bundle.thresholds = Some(vec![0.2, 0.5, 0.7]);
    let exported = export(&several.bundle, &several.files, &Options::default()).unwrap();
    let graph = earmark_onnx::read(&exported.bytes).unwrap().graph.unwrap();
    let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["scores", "labels", "thresholds"]);
    let source = &graph.node.iter().find(|node| node.output[0] == "thresholds").unwrap().input[0];
    let thresholds = graph.initializer.iter().find(|tensor| tensor.name == *source).unwrap();
    assert_eq!(thresholds.values().unwrap(), [0.2, 0.5, 0.7]);
    let mut cases = vec![("mean".to_owned(), learners()), ("several labels".to_owned(), several)];
    for set in [StatisticSet::Paper, StatisticSet::All] {
        let mel = earmark_features::MelSettings { sr: 11_025, n_fft: 512, n_mels: 30, ..Default::default() };
        let statistics = MfccStatistics { n_mfcc: 12, set, mel };
        cases.push((format!("{:?}", statistics.set), learners().with_stack(statistics)));
    }
    check(cases, &[10, 1_000, 16_000, 50_001]);
}

#[test]
fn sounds_of_more_than_a_minute_are_cut_into_pieces() {
    let logmel = r#"{"kind": "logmel", "sr": 4000, "n_fft": 128, "hop_length": 40, "n_mels": 20}"#;
    let case = || Case::of(logmel, windowing(), InputScaling::Clip);
    let wave = r#"{"kind": "wave", "sr": 6000}"#;
    let mixed = case().with(wave, Windowing { frames: 9_000, hop: 9_000, ..windowing() }, InputScaling::None);
    check([("one rate".to_owned(), case())], &[239_999, 240_000, 240_041, 500_000]);
    check([("two rates".to_owned(), mixed)], &[359_999, 360_000, 362_000, 800_000]);
}

#[test]
fn one_learner_is_exported_alone() {
    let logmel = r#"{"kind": "logmel", "sr": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}"#;
    let both = Case::of(logmel, windowing(), InputScaling::Clip).with(
        r#"{"kind": "wave", "sr": 16000}"#,
        Windowing { frames: 9_000, ..windowing() },
        InputScaling::None,
    );
    let options = Options { learner: Some("l0".to_owned()), ..Options::default() };
    let exported = export(&both.bundle, &both.files, &options).unwrap();
    assert_eq!((exported.sample_rate, exported.learners.len()), (8_000, 1));
    let alone = Case::of(logmel, windowing(), InputScaling::Clip);
    let whole = export(&alone.bundle, &alone.files, &Options::default()).unwrap();
    let scores = |bytes: &[u8]| {
        ExportedModel::load("model.onnx", bytes, 1).unwrap().scores(&sound(9_000, 8_000).samples).unwrap()
    };
    assert_eq!(scores(&exported.bytes), scores(&whole.bytes));
    let options = Options { learner: Some("l7".to_owned()), ..Options::default() };
    let unknown = export(&both.bundle, &both.files, &options).unwrap_err();
    assert!(matches!(&unknown, ExportError::Learner { name, known } if name == "l7" && known.len() == 2), "{unknown}");
}

#[test]
fn a_network_of_another_opset_is_refused_with_the_learners_that_can_be_exported() {
    let logmel = r#"{"kind": "logmel", "sr": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}"#;
    let mut case = Case::of(logmel, windowing(), InputScaling::Clip).with(logmel, windowing(), InputScaling::None);
    let graph = earmark_onnx::read(&case.files["l1-0.onnx"]).unwrap().graph.unwrap();
    case.files.insert("l1-0.onnx".to_owned(), earmark_onnx::model(graph, &[("", 21)]).unwrap());
    let refused = export(&case.bundle, &case.files, &Options::default()).unwrap_err();
    let ExportError::Unable { source, able } = &refused else { panic!("{refused}") };
    assert_eq!(able[..], ["l0"]);
    assert!(matches!(&**source, ExportError::Network { file, .. } if file == "l1-0.onnx"), "{source}");
    case.files.insert("l0-0.onnx".to_owned(), b"no model".to_vec());
    let refused = export(&case.bundle, &case.files, &Options::default()).unwrap_err();
    assert!(matches!(&refused, ExportError::Unable { able, .. } if able.is_empty()), "{refused}");
}
