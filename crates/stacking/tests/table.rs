//! A CSV round trip preserves the numbers of tables, and errors name the fault of a damaged file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use earmark_stacking::{Table, averages};

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
    let cases = [
        ("", "line 1: the file is damaged"),
        ("\n", "line 1: no header"),
        ("name,x\na,1\n", "line 1: no column `fname`: the first is `name`"),
        ("fname\na\n", "line 1: no column but `fname`"),
        ("fname,x,x\na,1,2\n", "line 1: the column `x` comes twice"),
        ("fname,x\na,1\nb,one\n", "line 3: `one` in column `x` is not a number"),
        ("fname,x\na,NaN\n", "line 2: `NaN` in column `x` is not a number"),
        ("fname,x\na,1e99\n", "line 2: `1e99` in column `x` is not a number"),
        ("fname,x\na,1\nb,2\na,3\n", "line 4: the clip `a` was on line 2 already"),
        ("fname,x,y\na,1\n", "line 2: the row has 2 fields, the header 3"),
        ("fname,x\na,1,2\n", "line 2: the row has 3 fields, the header 2"),
        ("fname,x\na,1\nb,0.9", "line 3: the file is damaged: its last line is cut off"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oof.csv");
    for (text, reason) in cases {
        std::fs::write(&path, text).unwrap();
        let error = Table::from_csv(&path).expect_err(text).to_string();
        assert!(error.contains("oof.csv") && error.contains(reason), "{text:?} gives {error}");
    }
    std::fs::write(&path, b"fname,x\n\xff,1\n").unwrap();
    assert!(Table::from_csv(&path).unwrap_err().to_string().contains("oof.csv"));
    assert!(Table::from_csv(&folder.path().join("none.csv")).unwrap_err().to_string().contains("none.csv"));
}

#[test]
fn only_whole_finite_tables_are_made() {
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [f32], &'a str);
    let cases: [Case<'_>; 6] = [
        (&["a"], &[], &[], "at least one column"),
        (&["a", "b"], &["x"], &[1.0], "1 values do not make 2 rows of 1 columns"),
        (&["a", "a"], &["x"], &[1.0, 2.0], "the clip `a` comes twice"),
        (&["a"], &["x", "x"], &[1.0, 2.0], "the column `x` comes twice"),
        (&["a", "b"], &["x", "y"], &[1.0, 2.0, 3.0, f32::NAN], "column `y` of clip `b` is NaN"),
        (&["a"], &["x"], &[f32::INFINITY], "column `x` of clip `a` is inf"),
    ];
    for (names, columns, data, reason) in cases {
        let error = Table::new(strings(names), strings(columns), data.to_vec()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn rows_and_columns_are_found_by_name() {
    let all = table(&["a", "b", "c"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(all.reordered(&strings(&["c", "a"])).unwrap(), table(&["c", "a"], &["x", "y"], &[5.0, 6.0, 1.0, 2.0]));
    assert_eq!(all.selected(&strings(&["y"])).unwrap(), table(&["a", "b", "c"], &["y"], &[2.0, 4.0, 6.0]));
    let error = all.reordered(&strings(&["q", "a", "r"])).unwrap_err().to_string();
    assert_eq!(error, "no row of `q`, `r`");
    assert_eq!(all.selected(&strings(&["z"])).unwrap_err().to_string(), "no column `z`");
}

#[test]
fn tables_go_side_by_side() {
    let one = table(&["a", "b"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0]);
    let two = one.selected(&strings(&["y"])).unwrap().prefixed("net");
    let both = Table::hstack(&[&one, &two]).unwrap();
    assert_eq!(both, table(&["a", "b"], &["x", "y", "net/y"], &[1.0, 2.0, 2.0, 3.0, 4.0, 4.0]));
    let swapped = one.reordered(&strings(&["b", "a"])).unwrap().prefixed("net");
    let cases: [(&[&Table], &str); 3] = [
        (&[&one, &one], "the column `x` comes twice"),
        (&[&one, &swapped], "`a` in one, `b` in another"),
        (&[], "no table"),
    ];
    for (tables, reason) in cases {
        let error = Table::hstack(tables).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn tables_go_one_below_the_other() {
    let all = table(&["a", "b", "c"], &["x", "y"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let [first, last] = [&["a"][..], &["b", "c"]].map(|names| all.reordered(&strings(names)).unwrap());
    assert_eq!(Table::vstack(&[&first, &last]).unwrap(), all);
    let turned = last.selected(&strings(&["y", "x"])).unwrap();
    let cases: [(&[&Table], &str); 3] =
        [(&[&all, &last], "the clip `b` comes twice"), (&[&first, &turned], "columns differ"), (&[], "no table")];
    for (tables, reason) in cases {
        let error = Table::vstack(tables).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
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
    assert!(averages::arithmetic(&[&one, &other]).unwrap_err().to_string().contains("columns differ"));
}
