//! Weight files of timm and PyTorch, and what a network takes from them. `golden/weights/make.py`
//! created the files.
#![cfg(feature = "pth")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use earmark_nets::{Array, Graph, Source, Weights, WeightsError, find, transfer, variants};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/weights")).join(name)
}

/// Weights that all have the same value, which identifies them.
fn filled(graph: &Graph, value: f32) -> Weights {
    let array = |p: earmark_nets::Parameter| (p.name.clone(), Array { data: vec![value; p.len()], shape: p.shape });
    Weights(graph.parameters().into_iter().map(array).collect())
}

fn nano() -> Weights {
    Weights::read(&golden("resnet_nano.pth")).unwrap()
}

#[test]
fn all_forms_of_a_file_hold_the_same() {
    let expected = Weights::read(&golden("thin.safetensors")).unwrap();
    assert_eq!(expected.0.len(), 62);
    assert!(expected.0.keys().all(|name| !name.contains("num_batches")));
    for name in ["thin.pth", "thin_legacy.pth", "thin_panns.pth", "thin_checkpoint.pth"] {
        assert_eq!(Weights::read(&golden(name)).unwrap(), expected, "{name}");
    }
    nano().check(&find("resnet_nano").unwrap().graph(3, 10)).unwrap();
}

#[test]
fn files_that_ask_for_code_are_refused() {
    for (name, call) in
        [("call_top.pth", "posix.system"), ("call_beside.pth", "posix.system"), ("call_old.pth", "eval")]
    {
        let error = Weights::read(&golden(name)).unwrap_err();
        assert!(matches!(&error, WeightsError::Code(printed) if printed.contains(call)), "{name}: {error}");
    }
    // The file that their code would create.
    assert!(!PathBuf::from("called").exists());
    let error = Weights::read(&golden("endless.pth")).unwrap_err();
    assert!(matches!(&error, WeightsError::Unreadable(reason) if reason.contains("4000000000")), "{error:?}");
}

/// What `docs/pretrained.md` states about files that PyTorch would refuse.
#[test]
fn nothing_of_a_file_is_run_where_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, called) = (folder.path().join("weights"), folder.path().join("called"));
    let old = std::fs::read(golden("thin_legacy.pth")).unwrap();
    // `os.system("touch called")`, whose result is dropped at once, or stored in the memo and then
    // dropped.
    let start = old.windows(13).position(|bytes| bytes == b"\x80\x02ccollection").unwrap() + 2;
    let command = format!("touch {}", called.display());
    let mut call = b"cposix\nsystem\nX".to_vec();
    call.extend((command.len() as u32).to_le_bytes());
    call.extend(command.as_bytes());
    call.extend(b"\x85R");
    for dropped in [&b"0"[..], b"r\xff\xff\0\x000"] {
        std::fs::write(&path, [&old[..start], &call, dropped, &old[start..]].concat()).unwrap();
        assert_eq!(Weights::read(&path).unwrap(), Weights::read(&golden("thin.pth")).unwrap());
    }
    assert!(!called.exists());
    // `torch.save(torch.nn.Linear(2, 1))`, the network itself.
    let whole = Weights::read(&golden("../../fuzz/corpus/weights/module.pth")).unwrap();
    let shapes: Vec<_> = whole.0.iter().map(|(name, array)| (name.as_str(), array.shape.as_slice())).collect();
    assert_eq!(shapes, [("bias", &[1][..]), ("weight", &[1, 2])]);
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Weights::read(&path)
    };
    for name in ["thin.safetensors", "thin.pth", "thin_legacy.pth", "thin_panns.pth"] {
        let whole = std::fs::read(golden(name)).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 61) {
            assert!(read(&whole[..cut]).is_err(), "{name} cut to {cut} bytes");
        }
        for at in (0..whole.len()).step_by(whole.len() / 199) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            // A changed value may still be valid; the test only requires that nothing panics and
            // that all values are finite.
            assert!(read(&bytes).map_or(true, |weights| weights.is_finite()), "{name}, byte {at}");
        }
    }
    for bytes in [&b"<!DOCTYPE html><html>no weights here</html>"[..], b"", b"PK\x03\x04", b"\x80\x02}q\x00."] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    assert!(matches!(Weights::read(&folder.path().join("none")), Err(WeightsError::File(_))));
}

#[test]
fn the_head_is_new_and_the_rest_is_given() {
    let graph = find("resnet_nano").unwrap().graph(3, 41);
    let fresh = filled(&graph, 7.0);
    let started = transfer(&graph, nano(), fresh.clone(), None).unwrap();
    started.check(&graph).unwrap();
    for (name, array) in &started.0 {
        let expected = if name.starts_with("fc.") { &fresh.0[name] } else { &nano().0[name] };
        assert_eq!(array, expected, "{name}");
    }
    // The same holds if the number of classes is equal, and if the file has no head.
    let graph = find("resnet_nano").unwrap().graph(3, 10);
    let fresh = filled(&graph, 7.0);
    let mut headless = nano();
    headless.0.retain(|name, _| !name.starts_with("fc."));
    let started = transfer(&graph, nano(), fresh.clone(), None).unwrap();
    assert_eq!(started.0["fc.weight"], fresh.0["fc.weight"]);
    assert_eq!(transfer(&graph, headless, fresh, None).unwrap(), started);
}

#[test]
fn one_channel_sums_the_stem_as_timm_does() {
    let graph = find("resnet_nano").unwrap().graph(1, 10);
    let started = transfer(&graph, nano(), filled(&graph, 7.0), None).unwrap();
    started.check(&graph).unwrap();
    let (ours, expected) = (&started.0["conv1.weight"], Weights::read(&golden("one_channel.safetensors")).unwrap());
    assert_eq!(ours.shape, [16, 1, 3, 3]);
    let differences = ours.data.iter().zip(&expected.0["conv1.weight"].data).map(|(a, b)| (a - b).abs());
    assert!(differences.fold(0.0, f32::max) < 1e-6);

    // No other change of channels is allowed: neither three to two, nor one to three.
    let two = find("resnet_nano").unwrap().graph(2, 10);
    let error = transfer(&two, nano(), filled(&two, 7.0), None).unwrap_err();
    assert_misfit(&error, "", "", "conv1.weight [16, 3, 3, 3] instead of [16, 2, 3, 3]");
    let three = find("resnet_nano").unwrap().graph(3, 10);
    let error = transfer(&three, started, filled(&three, 7.0), None).unwrap_err();
    assert_misfit(&error, "", "", "conv1.weight [16, 1, 3, 3] instead of [16, 3, 3, 3]");
}

/// Asserts that weights do not fit: a missing, an unexpected and a misshaped array; empty for none.
#[track_caller]
fn assert_misfit(error: &WeightsError, missing: &str, extra: &str, misshaped: &str) {
    let WeightsError::Misfit { missing: of_missing, extra: of_extra, misshaped: of_shape } = error else {
        panic!("{error:?}")
    };
    for (name, found) in [(missing, of_missing), (extra, of_extra), (misshaped, of_shape)] {
        assert!(if name.is_empty() { found.is_empty() } else { found.iter().any(|found| found == name) }, "{error}");
    }
}

#[test]
fn a_wave_network_takes_the_weights_of_its_body() {
    let wave = find("wave_resnet_nano").unwrap();
    let graph = wave.graph(1, 10);
    let fresh = filled(&graph, 7.0);
    let started = transfer(&graph, nano(), fresh.clone(), wave.front()).unwrap();
    started.check(&graph).unwrap();
    let picture = find("resnet_nano").unwrap().graph(1, 10);
    let body = transfer(&picture, nano(), filled(&picture, 7.0), None).unwrap();
    for (name, array) in &started.0 {
        let expected = if name.starts_with("front.") { &fresh.0[name] } else { &body.0[name] };
        assert_eq!(array, expected, "{name}");
    }
    // Weights of a wave network are taken with their front end.
    let mut given = started;
    given.0.get_mut("front.branch1.conv1.weight").unwrap().data[0] = 5.0;
    let again = transfer(&graph, given.clone(), fresh.clone(), wave.front()).unwrap();
    assert_eq!(again, given);
    given.0.remove("front.branch1.conv1.weight");
    assert_misfit(&transfer(&graph, given, fresh, wave.front()).unwrap_err(), "front.branch1.conv1.weight", "", "");
}

#[test]
fn published_weights_are_where_timm_has_them() {
    let timm: BTreeMap<String, (String, String)> =
        serde_json::from_slice(&std::fs::read(golden("published.json")).unwrap()).unwrap();
    let mut sources = 0;
    for variant in variants() {
        let Some(published) = variant.start("imagenet") else { continue };
        // Those of `mn` are in no library.
        if variant.family == "mn" || variant.body.is_some() {
            continue;
        }
        let entry = timm.iter().find(|(_, (place, _))| *place == published.source.to_string());
        let (name, (_, licence)) =
            entry.unwrap_or_else(|| panic!("{}: timm has no {}", variant.name, published.source));
        assert_eq!((name.split('.').next().unwrap(), licence.as_str()), (variant.name, published.licence));
        if let Source::Release { url, sha256 } = published.source {
            let sha256 = sha256.unwrap();
            assert!(url.ends_with(&format!("-{sha256}.pth")), "{url}");
        }
        sources += 1;
    }
    assert!(sources > 20, "{sources}");
    let of = |name: &str| find(name).unwrap().start("imagenet").map(|published| published.source);
    assert_eq!(of("wave_resnet50"), of("resnet50"));
    assert_eq!(of("resnet_nano"), None);
}

#[test]
fn weights_of_another_architecture_are_listed() {
    let graph = find("resnext_nano").unwrap().graph(3, 10);
    let error = transfer(&graph, nano(), filled(&graph, 7.0), None).unwrap_err();
    assert_misfit(&error, "layer1.0.bn3.bias", "", "conv1.weight [16, 3, 3, 3] instead of [32, 3, 3, 3]");
    // Other extra names are errors: only those of PyTorch's counters and PANNs' front end are
    // ignored.
    let graph = find("resnet_nano").unwrap().graph(3, 10);
    let mut given = nano();
    given.0.insert("head.weight".to_owned(), Array { shape: vec![1], data: vec![1.0] });
    assert_misfit(&transfer(&graph, given, filled(&graph, 7.0), None).unwrap_err(), "", "head.weight", "");
}
