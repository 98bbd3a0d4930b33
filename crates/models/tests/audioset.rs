//! The published weights in the folder of EARMARK_AUDIOSET become a model that tags as their
//! authors' code does.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../features/tests/published/mod.rs"]
mod published;

use std::path::Path;

use earmark_audio::{Clip, write_wav};
use earmark_features::{FrontEnd, Layers};
use earmark_models::{ClassList, ModelError, import};
use earmark_tagging::{Bundle, BundleFault, Embedder, ModelStore, Parallelism, StoreError, Tagger, TaggingError};
use published::folder;

/// The values of an array of `golden.npz`.
fn golden(folder: &Path, name: &str) -> Vec<f32> {
    published::golden(folder, name).1
}

struct Installed {
    store: ModelStore,
    _place: tempfile::TempDir,
}

fn installed(folder: &Path) -> Installed {
    let place = tempfile::tempdir().unwrap();
    let store = ModelStore { folder: place.path().join("models") };
    let weights = folder.join("mn04_as_mAP_432.pt");
    import(&store, "mn04_as", &weights, "mn04", &ClassList::audioset()).unwrap();
    Installed { store, _place: place }
}

#[test]
fn probabilities_and_embeddings_are_those_of_the_authors() {
    let Some(folder) = folder() else { return };
    let Installed { store, _place } = installed(&folder);
    let path = store.find("mn04_as").unwrap();
    let (bundle, _) = store.read("mn04_as").unwrap();
    let origin = bundle.origin.as_ref().unwrap();
    assert_eq!(origin.licence.as_deref(), Some("mit"), "a file with a known SHA-256 has its licence");
    assert_eq!((bundle.labels.len(), bundle.ids[74].as_str()), (527, "/m/0bt9lr"));
    let tagger = Tagger::open(&path, Parallelism::split(1, 1)).unwrap();
    let embedder = Embedder::open(&path, None, Layers::Last, 2).unwrap();
    let size = 384;
    assert!(matches!(embedder.front_end(), FrontEnd::Embedding { size: found, sr: 32_000, .. } if found == size));
    for number in 0..4 {
        let samples = golden(&folder, &format!("wave{number}"));
        let clip = Clip { samples, sample_rate: 32_000 };
        let logits = golden(&folder, &format!("logits{number}"));
        let probabilities = tagger.probabilities(&clip, Path::new("clip")).unwrap();
        for (ours, logit) in probabilities.iter().zip(&logits) {
            let theirs = 1.0 / (1.0 + (-logit).exp());
            assert!((ours - theirs).abs() < 2e-5, "clip {number}: {ours}, not {theirs}");
        }
        let ours = embedder.embed_clip(&clip, Path::new("clip")).unwrap();
        let theirs = golden(&folder, &format!("embedding{number}"));
        assert_eq!((ours.len(), theirs.len()), (size, size));
        let difference = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4, "clip {number}: {difference}");
    }
    let wav = _place.path().join("rooster.wav");
    let clip = Clip { samples: golden(&folder, "wave2"), sample_rate: 32_000 };
    write_wav(&wav, &clip).unwrap();
    let tags = tagger.tag_file(&wav).unwrap().tags;
    assert_eq!(tags[0].label, "Chicken, rooster");
}

#[test]
fn stages_end_with_the_embedding() {
    let Some(folder) = folder() else { return };
    let Installed { store, _place } = installed(&folder);
    let path = store.find("mn04_as").unwrap();
    let embed = |layers| {
        let clip = Clip { samples: golden(&folder, "wave2"), sample_rate: 32_000 };
        Embedder::open(&path, None, layers, 1).unwrap().embed_clip(&clip, Path::new("clip")).unwrap()
    };
    let (stages, last) = (embed(Layers::Stages), embed(Layers::Last));
    assert_eq!((stages.len(), &stages[424..]), (808, last.as_slice()));

    // As models were installed before there were stages.
    let (mut bundle, files) = Bundle::read(&path).unwrap();
    bundle.embeddings.retain(|embedding| embedding.layers == Layers::Last);
    let old = _place.path().join("old");
    bundle.write(&old, files).unwrap();
    let fault = |name, layers| match Embedder::open(&old, name, layers, 1).err() {
        Some(TaggingError::Bundle { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let without = fault(None, Layers::Stages);
    assert!(matches!(&without, BundleFault::Layers { layers: Layers::Stages, names } if names == &["mn04_as"]));
    assert!(matches!(fault(Some("mn10"), Layers::Last), BundleFault::Embedding { .. }));
}

#[test]
fn long_and_short_clips_have_windows() {
    let Some(folder) = folder() else { return };
    let Installed { store, _place } = installed(&folder);
    let path = store.find("mn04_as").unwrap();
    let embedder = Embedder::open(&path, Some("mn04_as"), Layers::Last, 1).unwrap();
    let windows = |seconds: f64| {
        let samples = vec![0.1; (seconds * 16_000.0) as usize];
        let windows = embedder.windows(&Clip { samples, sample_rate: 16_000 }, Path::new("clip")).unwrap();
        windows.iter().map(|window| (window.start, window.end)).collect::<Vec<_>>()
    };
    assert_eq!(windows(0.3), [(0.0, 0.3)]);
    assert_eq!(windows(10.0), [(0.0, 10.0)]);
    assert_eq!(windows(15.0), [(0.0, 10.0), (5.0, 15.0)]);
    assert_eq!(windows(17.0), [(0.0, 10.0), (5.0, 15.0), (7.0, 17.0)]);
    let tagger = Tagger::open(&path, Parallelism::split(1, 1)).unwrap();
    for samples in [2, 160, 100_000] {
        let clip = Clip { samples: vec![0.1; samples], sample_rate: 32_000 };
        assert_eq!(tagger.probabilities(&clip, Path::new("clip")).unwrap().len(), 527);
    }
}

#[test]
fn wrong_files_are_refused() {
    let Some(folder) = folder() else { return };
    let place = tempfile::tempdir().unwrap();
    let store = ModelStore { folder: place.path().join("models") };
    let weights = folder.join("mn04_as_mAP_432.pt");
    let classes = ClassList::audioset();
    let of_another = import(&store, "x", &weights, "mn10", &classes).unwrap_err();
    assert!(matches!(&of_another, ModelError::Weights { arch, .. } if arch == "mn10"), "{of_another}");
    let list = place.path().join("few.csv");
    std::fs::write(&list, "display_name\nDog\nRain\n").unwrap();
    let few = import(&store, "x", &weights, "mn04", &ClassList::read(&list).unwrap()).unwrap_err();
    assert!(matches!(few, ModelError::Classes { classes: 527, labels: 2, .. }), "{few}");
    let no_weights = import(&store, "x", &list, "mn04", &classes).unwrap_err();
    assert!(matches!(&no_weights, ModelError::Weights { path, .. } if *path == list), "{no_weights}");
    let unknown = import(&store, "x", &weights, "mn4", &classes).unwrap_err();
    assert!(matches!(unknown, ModelError::Architecture(_)), "{unknown}");
    let no_front_end = import(&store, "x", &weights, "resnet50", &classes).unwrap_err();
    assert!(matches!(&no_front_end, ModelError::NoFrontEnd { arch, .. } if arch == "resnet50"), "{no_front_end}");
    let name = import(&store, "../x", &weights, "mn04", &classes).unwrap_err();
    assert!(matches!(name, ModelError::Store(StoreError::Name { .. })), "{name}");
    assert!(store.names().unwrap().is_empty(), "nothing is left behind");
}
