//! `stacking_golden CASE OUT` fits a booster on a case of golden/stacking and writes, for its
//! check.py, `booster.json`, `booster.onnx`, and `python.onnx`, which is converted from Python's
//! booster.

use std::path::Path;

use earmark_stacking::{Booster, Matrix, StackSettings, to_onnx};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    classes: usize,
    features: usize,
    settings: StackSettings,
    x: Vec<Vec<Option<f32>>>,
    labels: Vec<usize>,
    weights: Vec<f32>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, out] = arguments.as_slice() else { return Err("usage: stacking_golden CASE OUT".into()) };
    let (folder, out) = (Path::new(case), Path::new(out));
    let case: Case = serde_json::from_slice(&earmark_files::read(&folder.join("case.json"))?)?;
    let x: Vec<f32> = case.x.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect();
    let classes: Vec<String> = (0..case.classes).map(|class| class.to_string()).collect();
    let x = Matrix::new(&x, case.features)?;
    let booster = Booster::fit(x, &case.labels, &case.weights, &classes, &case.settings)?;
    let onnx = |json: &[u8]| to_onnx(json, case.features, case.classes);
    earmark_files::write_atomic(&out.join("booster.json"), booster.to_json())?;
    earmark_files::write_atomic(&out.join("booster.onnx"), &onnx(booster.to_json())?)?;
    let python = earmark_files::read(&folder.join("booster.json"))?;
    earmark_files::write_atomic(&out.join("python.onnx"), &onnx(&python)?)?;
    Ok(())
}
