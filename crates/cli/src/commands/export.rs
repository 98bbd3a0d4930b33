//! `earmark export`: a bundle as one ONNX file, with its model card.

use std::path::Path;

use anyhow::Context;
use earmark_export::{Exported, Loss, Options, Precision, card, export, is_card};
use earmark_tables::{counted, size};
use earmark_tagging::{Bundle, ModelStore};

use super::sounds::Sounds;
use crate::args::Export;
use crate::output::{self, Exit};

/// Runs the command.
pub fn run(options: &Export) -> anyhow::Result<()> {
    let (out, precision) = (&options.out, Precision::from(options.precision));
    let name = out.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".onnx"));
    let wrong = |text: String| anyhow::Error::from(Exit::WrongUsage(text));
    let name = name.ok_or_else(|| wrong(format!("--out {}: the name must end with .onnx", out.display())))?;
    if precision == Precision::F32 && !options.calibration.is_empty() {
        return Err(wrong("--calibration measures the loss of --precision f16 or int8; f32 has none".to_owned()));
    }
    output::check_place("--out", out)?;
    anyhow::ensure!(!out.is_dir(), "--out {} is a folder; name a file in it", out.display());
    let card_path = out.with_extension("md");
    let is_foreign = card_path.exists() && !earmark_files::read_to_string(&card_path).is_ok_and(|text| is_card(&text));
    anyhow::ensure!(
        !is_foreign,
        "--out {}: its model card would replace {}, which is no model card; choose another name",
        out.display(),
        card_path.display()
    );
    let limits = options.limits.limits()?;
    let folder = ModelStore::open()?.resolve(&options.model, Path::new(""))?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if earmark_files::same_file(parent, &folder) {
        return Err(wrong(format!("--out {} is in the model's own folder; name another place", out.display())));
    }
    let (bundle, files) = Bundle::read(&folder)?;
    let of = |precision| {
        let options = Options { precision, learner: options.learner.clone() };
        export(&bundle, &files, &options).with_context(|| folder.display().to_string())
    };
    let exported = of(precision)?;
    let loss = match precision {
        Precision::F32 => None,
        _ => {
            let sounds = Sounds::find(&options.calibration);
            sounds.check("read", 0)?;
            Some(Loss::measure(&of(Precision::F32)?, &exported, &sounds.paths, &limits)?)
        }
    };
    write(out, name, &exported, loss.as_ref())
}

/// Writes the file and its card, and prints what they are.
fn write(out: &Path, name: &str, exported: &Exported, loss: Option<&Loss>) -> anyhow::Result<()> {
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    earmark_files::sweep(folder, earmark_files::ABANDONED);
    earmark_files::write_atomic(out, &exported.bytes)?;
    let card_path = out.with_extension("md");
    earmark_files::write_atomic(&card_path, card(exported, name, loss).as_bytes())?;
    let Exported { bytes, labels, sample_rate, precision, .. } = exported;
    let what = [
        size(bytes.len() as u64),
        counted(labels.len(), "label"),
        format!("mono samples at {sample_rate} Hz"),
        precision.to_string(),
    ];
    output::line(&format!("{}: {}", out.display(), what.join(", ")));
    if let Some(loss) = loss {
        output::line(&format!("loss: {loss}"));
    }
    output::line(&format!("next: {} has examples in Python, JavaScript and C++", card_path.display()));
    Ok(())
}
