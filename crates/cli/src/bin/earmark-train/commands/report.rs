//! `earmark report`.

use earmark_cli::args::Report;
use earmark_cli::output;
use earmark_pipeline::SoundFolders;

/// Writes the report of a run, finished or not.
pub fn run(options: &Report) -> anyhow::Result<()> {
    if let Some(data) = &options.data {
        anyhow::ensure!(data.is_dir(), "--data {}: the folder does not exist", data.display());
    }
    let page = earmark_report::write(&options.run, options.data.as_deref())?;
    if options.data.is_none() && !options.run.join(SoundFolders::FILE).exists() {
        let file = options.run.join(SoundFolders::FILE);
        output::warning(&format!(
            "{} is missing, which has the folder of the sounds: the report has none; --data DIR names it, and the \
             same `earmark train` writes the file again",
            file.display()
        ));
    }
    output::line(&format!("wrote {}", page.display()));
    Ok(())
}
