//! Against NumPy, pyarrow, pandas and scikit-learn (golden/embeddings/make.py).

#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::path::{Path, PathBuf};

use earmark_embeddings::{Embeddings, EmbeddingsError, Fault, ModelId, Row, best_of_each_path, cosines, ranked};
use serde::Deserialize;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/embeddings").join(name)
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Written {
    file: String,
    paths: Vec<String>,
    start: Vec<f64>,
    end: Vec<f64>,
    values: Vec<Vec<f32>>,
    model: Option<std::collections::BTreeMap<String, String>>,
}

#[test]
fn files_of_other_programs_are_read() {
    let files: Vec<Written> = json("written.json");
    assert_eq!(files.len(), 8);
    for Written { file, paths, start, end, values, model } in files {
        let table = Embeddings::read(&golden(&file)).unwrap_or_else(|error| panic!("{error}"));
        let rows: Vec<Row> = paths
            .into_iter()
            .zip(start.into_iter().zip(end))
            .map(|(path, (start, end))| Row { path, start, end })
            .collect();
        assert_eq!(table.rows(), rows, "{file}");
        assert_eq!(table.values(), values.concat(), "{file}");
        let model = model.map(|keys| {
            let value = |key: &str| keys[&format!("earmark.{key}")].clone();
            ModelId { name: value("model"), sha256: value("sha256") }
        });
        assert_eq!(table.model, model, "{file}");
    }
}

#[test]
fn faulty_files_are_refused_by_their_fault() {
    type IsFault = fn(&Fault) -> bool;
    let cases: [(&str, IsFault); 13] = [
        ("zstd.parquet", |fault| matches!(fault, Fault::Unsupported { what } if what.contains("Zstandard"))),
        ("version2.parquet", |fault| matches!(fault, Fault::Unsupported { what } if what.contains("version 2"))),
        ("double.parquet", |fault| matches!(fault, Fault::Type { found, expected: "float", .. } if found == "double")),
        ("no_start.parquet", |fault| matches!(fault, Fault::Column { name: "start" })),
        ("ragged.parquet", |fault| matches!(fault, Fault::Shape { what, .. } if what == "row 17")),
        ("null.parquet", |fault| matches!(fault, Fault::Null { name: "embedding" })),
        ("nan.parquet", |fault| matches!(fault, Fault::NotFinite { row: 5 })),
        ("bytes.parquet", |fault| matches!(fault, Fault::Utf8 { row: 0 })),
        ("double.npy", |fault| matches!(fault, Fault::Type { found, .. } if found == "'<f8'")),
        ("flat.npy", |fault| matches!(fault, Fault::Shape { found, .. } if found == "(6,)")),
        ("fortran.npy", |fault| matches!(fault, Fault::Shape { found, .. } if found.contains("Fortran"))),
        ("nan.npy", |fault| matches!(fault, Fault::NotFinite { row: 5 })),
        ("no_rows.npy", |fault| matches!(fault, Fault::Rows { found: 40, expected: 39 })),
    ];
    for (name, is_fault) in cases {
        match Embeddings::read(&golden("faulty").join(name)).unwrap_err() {
            EmbeddingsError::Unreadable { fault, .. } => assert!(is_fault(&fault), "{name}: {fault}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[derive(Deserialize)]
struct Nearest {
    rows: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    query: Vec<f32>,
    rows: Vec<usize>,
    distances: Vec<f64>,
}

#[test]
fn nearest_rows_are_those_of_scikit_learn() {
    let Nearest { rows, cases } = json("nearest.json");
    let mut table = Embeddings::new(rows[0].len(), None);
    for (index, values) in rows.iter().enumerate() {
        let path = format!("{}.wav", index / 3);
        table.push(Row { path, start: 0.0, end: 1.0 }, values).unwrap();
    }
    assert_eq!(cases.len(), 5);
    for (case, threads) in cases.iter().zip([0, 1, 2, 7, 100]) {
        let found = cosines(&table, &case.query, threads).unwrap();
        let order: Vec<usize> = ranked(&found).collect();
        assert_eq!(order, case.rows);
        for (row, distance) in case.rows.iter().zip(&case.distances) {
            assert!((1.0 - found[*row] - distance).abs() < 1e-12, "row {row}: {} and {distance}", found[*row]);
        }
        assert_eq!(found[11], 0.0, "a row of zeros");
        let best: Vec<usize> = best_of_each_path(&table, ranked(&found)).collect();
        assert_eq!((best.len(), best[0]), (20, case.rows[0]));
        let is_best = |row: &usize| (row / 3 * 3..row / 3 * 3 + 3).all(|other| found[other] <= found[*row]);
        assert!(best.iter().all(is_best));
    }
    let first: Vec<usize> = cases[0].rows[..3].to_vec();
    assert_eq!(first, [3, 7, 21], "rows that tie keep their order");
    let size = cosines(&table, &[1.0], 1).unwrap_err();
    assert!(matches!(size, EmbeddingsError::QuerySize { found: 1, expected: 19 }));
    for value in [0.0, f32::NAN] {
        assert!(matches!(cosines(&table, &[value; 19], 1), Err(EmbeddingsError::NoDirection)));
    }
}
