//! A CSV round trip preserves the numbers of tables, and errors name the fault of a damaged file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use earmark_stacking::{StackError, Table, averages};

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn table(names: &[&str], columns: &[&str], data: &[f32]) -> Table {
    Table::new(strings(names), strings(columns), data.to_vec()).unwrap()
}

#[test]
fn csv_keeps_every_bit() {
    let odd = [0.1, 1.0 / 3.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, -0.0, 1e-7, 16_777_217.0];
    let written = table(&["a.wav", "with, comma.wav"], &["x", "say \"hi\"", "y", "z"], &odd);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, written.to_csv()).unwrap();
    let read = Table::from_csv(&path).unwrap();
    assert_eq!(read, written);
    let bits = |table: &Table| table.data().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read), bits(&written));
}

#[test]
fn damaged_files_are_named_with_line_and_reason() {
    // A text, and the line of its fault.
    let cases = [
        ("", 1),
        ("\n", 1),
        ("name,x\na,1\n", 1),
        ("fname\na\n", 1),
        ("fname,x,x\na,1,2\n", 1),
        ("fname,x\na,1\nb,one\n", 3),
        ("fname,x\na,NaN\n", 2),
        ("fname,x\na,1e99\n", 2),
        ("fname,x\na,1\nb,2\na,3\n", 4),
        ("fname,x,y\na,1\n", 2),
        ("fname,x\na,1,2\n", 2),
        ("fname,x\na,1\nb,0.9", 3),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oof.csv");
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let error = Table::from_csv(&path).expect_err(text);
        let StackError::Csv { path: named, line, .. } = &error else { panic!("{text:?} gives {error:?}") };
        assert_eq!((named, *line), (&path, expected), "{text:?} gives {error}");
    }
    std::fs::write(&path, b"fname,x\n\xff,1\n").unwrap();
    for path in [path, folder.path().join("none.csv")] {
        let error = Table::from_csv(&path).unwrap_err();
        assert!(matches!(&error, StackError::File(error) if error.path == path), "{error:?}");
    }
}

#[test]
fn only_whole_finite_tables_are_made() {
    let error = |names: &[&str], columns: &[&str], data: &[f32]| {
        Table::new(strings(names), strings(columns), data.to_vec()).unwrap_err()
    };
    assert!(matches!(error(&["a"], &[], &[]), StackError::Shape(_)));
    assert!(matches!(error(&["a", "b"], &["x"], &[1.0]), StackError::Shape(_)));
    assert!(is_duplicate(&error(&["a", "a"], &["x"], &[1.0, 2.0]), "clip", "a"));
    assert!(is_duplicate(&error(&["a"], &["x", "x"], &[1.0, 2.0]), "column", "x"));
    for (data, named) in
        [([1.0, 2.0, 3.0, f32::NAN], "column `y` of clip `b`"), ([1.0, -f32::INFINITY, 3.0, 4.0], "`y` of clip `a`")]
    {
        let error = error(&["a", "b"], &["x", "y"], &data);
        assert!(matches!(&error, StackError::NotFinite(place) if place.contains(named)), "{error}");
    }
}

fn is_duplicate(error: &StackError, expected: &str, of: &str) -> bool {
    matches!(error, StackError::Duplicate { what, name } if *what == expected && name == of)
}

#[test]
fn rows_and_columns_are_found_by_name() {
    let all = table(&["a", "b", "c"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(all.reordered(&strings(&["c", "a"])).unwrap(), table(&["c", "a"], &["x", "y"], &[5.0, 6.0, 1.0, 2.0]));
    assert_eq!(all.selected(&strings(&["y"])).unwrap(), table(&["a", "b", "c"], &["y"], &[2.0, 4.0, 6.0]));
    let error = all.reordered(&strings(&["q", "a", "r"])).unwrap_err();
    assert!(matches!(&error, StackError::Missing(names) if names.ends_with("`q`, `r`")), "{error}");
    let error = all.selected(&strings(&["z"])).unwrap_err();
    assert!(matches!(&error, StackError::Missing(names) if names.ends_with("`z`")), "{error}");
}

#[test]
fn tables_go_side_by_side() {
    let one = table(&["a", "b"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0]);
    let two = one.selected(&strings(&["y"])).unwrap().prefixed("net");
    let both = Table::hstack(&[&one, &two]).unwrap();
    assert_eq!(both, table(&["a", "b"], &["x", "y", "net/y"], &[1.0, 2.0, 2.0, 3.0, 4.0, 4.0]));
    let swapped = one.reordered(&strings(&["b", "a"])).unwrap().prefixed("net");
    assert!(is_duplicate(&Table::hstack(&[&one, &one]).unwrap_err(), "column", "x"));
    assert!(matches!(Table::hstack(&[&one, &swapped]), Err(StackError::Mismatch(_))));
    assert!(matches!(Table::hstack(&[]), Err(StackError::Missing(_))));
}

#[test]
fn tables_go_one_below_the_other() {
    let all = table(&["a", "b", "c"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let [first, last] = [&["a"][..], &["b", "c"]].map(|names| all.reordered(&strings(names)).unwrap());
    assert_eq!(Table::vstack(&[&first, &last]).unwrap(), all);
    let turned = last.selected(&strings(&["y", "x"])).unwrap();
    assert!(is_duplicate(&Table::vstack(&[&all, &last]).unwrap_err(), "clip", "b"));
    assert!(matches!(Table::vstack(&[&first, &turned]), Err(StackError::Mismatch(_))));
    assert!(matches!(Table::vstack(&[]), Err(StackError::Missing(_))));
}

#[test]
fn averages_by_hand() {
    let one = table(&["a", "b"], &["x", "y"], &[0.9, 0.1, 1.0, 0.0]);
    let two = table(&["a", "b"], &["x", "y"], &[0.5, 0.5, 0.0, 1.0]);
    let close = |got: &Table, expected: [f32; 4]| {
        let worst = got.data().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{:?} is not {expected:?}", got.data());
    };
    close(&averages::arithmetic(&[&one, &two]).unwrap(), [0.7, 0.3, 0.5, 0.5]);
    // sqrt(0.45) : sqrt(0.05) is 3 : 1; two certain learners that contradict each other result in
    // equal probabilities.
    close(&averages::geometric(&[&one, &two]).unwrap(), [0.75, 0.25, 0.5, 0.5]);
    let other = table(&["a", "b"], &["x", "z"], &[0.5, 0.5, 0.0, 1.0]);
    assert!(matches!(averages::arithmetic(&[&one, &other]), Err(StackError::Mismatch(_))));
}
