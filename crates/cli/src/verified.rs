//! `earmark train --verified-by RUN`: labels that nobody verified, verified by what another run says of them.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use earmark_datasets::Manifest;
use earmark_stacking::most_probable;

use crate::progress::Bars;
use crate::run::Run;
use crate::systems::{self, STACK};

/// Counts as verified each unverified clip to learn from whose label is the most probable one to the stack of `folder`,
/// out of fold: to models that never saw it. `sums` are the SHA-256 of the clips' files, those to learn from first.
///
/// # Errors
/// No finished run, or one that knows none of these clips.
pub fn take_over(folder: &Path, manifest: &mut Manifest, sums: &[String], bars: &Bars) -> anyhow::Result<()> {
    let asked = || format!("--verified-by {}", folder.display());
    let run = Run::open(folder).with_context(asked)?;
    let tables = systems::tables(&run, "oof").with_context(asked)?;
    let (_, table) = tables.iter().find(|(name, _)| name == STACK).with_context(asked)?;
    let said: HashMap<&str, &str> = table
        .names()
        .iter()
        .zip(table.rows())
        .map(|(name, row)| (name.as_str(), table.columns()[most_probable(row)].as_str()))
        .collect();
    let clips = run.clips().with_context(asked)?;
    let files: HashMap<&str, &str> = clips.iter().map(|clip| (clip.sha256.as_str(), clip.fname.as_str())).collect();
    let (mut agreed, mut doubted, mut unknown) = (0, 0, 0);
    for (item, sum) in manifest.train.iter_mut().zip(sums).filter(|(item, _)| !item.verified) {
        let label = item.label.map(|label| manifest.labels[label].as_str());
        match files.get(sum.as_str()).and_then(|name| said.get(name)) {
            Some(said) if Some(*said) == label => {
                item.verified = true;
                agreed += 1;
            }
            Some(_) => doubted += 1,
            None => unknown += 1,
        }
    }
    anyhow::ensure!(agreed + doubted > 0, "{}: that run has none of the unverified clips", asked());
    let of_them = if unknown > 0 { format!(", and {unknown} are not in that run") } else { String::new() };
    bars.line(&format!("verified by {}: {agreed} labels; {doubted} stay unverified{of_them}", folder.display()));
    Ok(())
}
