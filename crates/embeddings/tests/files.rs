//! Files: round trips, what is beside them, and any damage.

#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::io::Write;
use std::path::Path;

use earmark_embeddings::{Embeddings, EmbeddingsError, Fault, ModelId, Row};

fn table(rows: usize, size: usize, model: bool) -> Embeddings {
    let model = model.then(|| ModelId { name: "mn04_as".to_owned(), sha256: "12".repeat(32) });
    let mut table = Embeddings::new(size, model);
    for row in 0..rows {
        let values: Vec<f32> = (0..size).map(|column| (row * size + column) as f32 * 0.1 - 3.0).collect();
        let (path, start) = (format!("dir, \"é\"/{}\n.wav", row / 2), row as f64 * 0.1);
        table.push(Row { path, start, end: start + 1.0 / 3.0 }, &values).unwrap();
    }
    table
}

#[test]
fn what_is_written_is_read() {
    let place = tempfile::tempdir().unwrap();
    // Of the last ones, a page has at most 4,096 rows, or a single row.
    for (rows, size) in [(1, 1), (3, 2), (2, 384), (10_000, 1), (3, 65_536)] {
        for name in ["x.npy", "x.parquet"] {
            for model in [true, false] {
                let (path, table) = (place.path().join(name), table(rows, size, model));
                table.write(&path).unwrap();
                assert!(Embeddings::read(&path).unwrap() == table, "{rows} rows of {size} values in {name}");
            }
        }
    }
    let mut left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["x.csv", "x.npy", "x.parquet"], "no model, so no x.json of an earlier table");
}

#[test]
fn several_row_groups_are_read() {
    let place = tempfile::tempdir().unwrap();
    let (path, table) = (place.path().join("x.parquet"), table(300, 60_000, true));
    table.write(&path).unwrap();
    assert!(Embeddings::read(&path).unwrap() == table);
}

#[test]
fn files_of_others_are_not_replaced() {
    let place = tempfile::tempdir().unwrap();
    let (path, table) = (place.path().join("x.npy"), table(2, 2, true));
    for (name, text) in [("x.csv", "path,label\na.wav,Dog\n"), ("x.json", "{\"a\": 1}")] {
        let other = place.path().join(name);
        std::fs::write(&other, text).unwrap();
        let occupied = |error: &EmbeddingsError| matches!(error, EmbeddingsError::Occupied { path } if *path == other);
        assert!(occupied(&Embeddings::check_place(&path).unwrap_err()));
        assert!(occupied(&table.write(&path).unwrap_err()));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), text);
        assert!(!path.exists());
        std::fs::remove_file(other).unwrap();
    }
    table.write(&path).unwrap();
    table.write(&path).unwrap();
    let extension = Embeddings::check_place(Path::new("x.csv")).unwrap_err();
    assert!(matches!(extension, EmbeddingsError::Extension { .. }));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let mut table = table(1, 2, false);
    let mut fault = |start: f64, end: f64, values: &[f32]| {
        let row = Row { path: "a.wav".to_owned(), start, end };
        match table.push(row, values).unwrap_err() {
            EmbeddingsError::Row { path, fault } if path == "a.wav" => fault,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(fault(0.0, 1.0, &[1.0]), Fault::Shape { .. }));
    assert!(matches!(fault(0.0, 1.0, &[1.0, f32::INFINITY]), Fault::NotFinite { row: 1 }));
    assert!(matches!(fault(2.0, 1.0, &[1.0, 1.0]), Fault::Times { row: 1, .. }));
    assert!(matches!(fault(0.0, f64::NAN, &[1.0, 1.0]), Fault::Times { row: 1, .. }));
    assert_eq!(table.rows().len(), 1);
    let row = Row { path: "x".repeat(9_000), start: 0.0, end: 1.0 };
    let long = table.push(row, &[1.0, 1.0]).unwrap_err();
    assert!(matches!(long, EmbeddingsError::Row { fault: Fault::TooLarge { found: 9_000, .. }, .. }), "{long}");
    let place = tempfile::tempdir().unwrap();
    let empty = Embeddings::new(0, None).write(&place.path().join("x.parquet")).unwrap_err();
    assert!(matches!(empty, EmbeddingsError::Unreadable { fault: Fault::Shape { .. }, .. }), "{empty}");
}

/// Reads damaged bytes: a table or an error that names the file, and no panic. Returns whether it
/// is a table.
fn survives(path: &Path, bytes: &[u8]) -> bool {
    // Some file systems write a file that is truncated and written again to the disk at once.
    let mut file = std::fs::File::options().create(true).write(true).truncate(false).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    let start = std::time::Instant::now();
    let result = Embeddings::read(path);
    assert!(start.elapsed().as_secs() < 2, "{}: {:?}", path.display(), start.elapsed());
    match result {
        Ok(table) => {
            assert_eq!(table.values().len(), table.rows().len() * table.size());
            assert!(table.values().iter().all(|value| value.is_finite()));
            true
        }
        Err(EmbeddingsError::Unreadable { fault, .. }) => {
            assert!(!fault.to_string().is_empty());
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn damaged_files_are_errors() {
    let place = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/embeddings");
    std::fs::copy(golden.join("array.csv"), place.path().join("array.csv")).unwrap();
    for name in ["array.npy", "plain.parquet", "default.parquet", "repeated.parquet"] {
        let (path, bytes) = (place.path().join(name), std::fs::read(golden.join(name)).unwrap());
        assert!(survives(&path, &bytes), "{name}");
        for length in 0..bytes.len() {
            assert!(!survives(&path, &bytes[..length]), "{name} with {length} bytes");
        }
        let mut read = 0;
        for index in 0..bytes.len() {
            for flip in [1, 0x40, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] ^= flip;
                read += usize::from(survives(&path, &damaged));
            }
        }
        // Most damage to values cannot be detected, unlike that to the structure.
        assert!(read < 3 * bytes.len() - 100, "{name}: {read} of {} are read", 3 * bytes.len());
    }
}

#[test]
fn what_is_beside_an_array_is_checked() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.npy");
    table(2, 2, true).write(&path).unwrap();
    type IsError = fn(&EmbeddingsError) -> bool;
    let cases: [(&str, &[u8], IsError); 6] = [
        ("x.csv", b"path,start\na,0\nb,1\n", |error| {
            matches!(error, EmbeddingsError::Unreadable { fault: Fault::Column { name: "end" }, .. })
        }),
        (
            "x.csv",
            b"path,start,end\na,0,1\nb,x,2\n",
            |error| matches!(error, EmbeddingsError::Unreadable { fault: Fault::Csv(of), .. } if of.line == 3),
        ),
        ("x.csv", b"path,start,end\na,0,1\nb,-1,2\n", |error| {
            matches!(error, EmbeddingsError::Unreadable { fault: Fault::Times { row: 1, .. }, .. })
        }),
        ("x.csv", b"path,start,end\na\xff,0,1\nb,1,2\n", |error| {
            matches!(error, EmbeddingsError::Unreadable { fault: Fault::NotText, .. })
        }),
        ("x.csv", b"path,start,end\na,0,1\n", |error| {
            matches!(error, EmbeddingsError::Unreadable { fault: Fault::Rows { found: 1, expected: 2 }, .. })
        }),
        ("x.json", b"{\"model\": 3}", |error| {
            matches!(error, EmbeddingsError::Unreadable { fault: Fault::Json(_), .. })
        }),
    ];
    for (name, bytes, is_error) in cases {
        let beside = place.path().join(name);
        let good = std::fs::read(&beside).unwrap();
        std::fs::write(&beside, bytes).unwrap();
        let error = Embeddings::read(&path).unwrap_err();
        assert!(is_error(&error) && error.to_string().contains(name), "{error}");
        std::fs::write(&beside, good).unwrap();
    }
    std::fs::remove_file(place.path().join("x.csv")).unwrap();
    assert!(matches!(Embeddings::read(&path), Err(EmbeddingsError::File(error)) if error.path.ends_with("x.csv")));
}
