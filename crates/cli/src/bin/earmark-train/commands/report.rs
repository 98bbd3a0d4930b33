//! `earmark report`.

use earmark_cli::args::Report;
use earmark_cli::output;

/// Writes the report of a run, finished or not.
pub fn run(options: &Report) -> anyhow::Result<()> {
    if let Some(data) = &options.data {
        anyhow::ensure!(data.is_dir(), "--data {}: the folder does not exist", data.display());
    }
    let page = earmark_report::write(&options.run, options.data.as_deref())?;
    output::line(&format!("wrote {}", page.display()));
    Ok(())
}
