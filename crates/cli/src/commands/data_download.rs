//! `earmark data download`: downloads a data set, and prints its terms and the next command.

use earmark_download::{DataSet, DownloadError, DownloadOptions, Network, Registry, download};
use earmark_tables::{counted, size};
use serde_json::json;

use super::download_bar::Bar;
use crate::args::Download;
use crate::output;

/// Runs the command.
pub fn run(options: &Download) -> anyhow::Result<()> {
    let registry = match &options.registry {
        Some(path) => Registry::read(path)?,
        None => Registry::built_in()?,
    };
    let (Some(name), Some(to)) = (&options.name, &options.to) else {
        return list(&registry, options.json);
    };
    output::check_place("--to", to)?;
    // An unknown name is wrong usage, as if clap had a list of the names.
    let set = registry.get(name).map_err(|error| match error {
        DownloadError::UnknownSet { .. } => output::Exit::WrongUsage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    output::line(&format!("{}: {}\nlicence: {}", set.title, set.about, set.licence));
    let settings = DownloadOptions {
        mirror: options.mirror.clone(),
        keep_archives: options.keep_archives,
        network: Network::default(),
    };
    let mut bar = Bar::new(!options.no_progress);
    let done = download(set, to, &settings, &mut |event| bar.show(event));
    bar.end();
    let done = done?;

    let complete = if done.already_there { "already there, complete" } else { "complete" };
    let files = counted(usize::try_from(done.files).unwrap_or(usize::MAX), "file");
    output::line(&format!("{}: {complete}: {}, {}", to.display(), files, size(done.bytes)));
    output::line(&format!("licence: {}\n         {}\ncredit:  {}", set.licence, set.licence_url, set.credit));
    output::line(&format!("next:    {}", next(set, &to.display().to_string())));
    if options.json {
        output::print_json(&json!({"name": set.name, "title": set.title, "folder": done.folder,
            "licence": set.licence, "licence_url": set.licence_url, "credit": set.credit,
            "files": done.files, "bytes": done.bytes, "already_there": done.already_there}))?;
    }
    Ok(())
}

/// Prints the data sets that can be downloaded.
fn list(registry: &Registry, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let sets = registry.sets().map(|set| {
            let DataSet { name, title, about, home, licence, licence_url, credit, .. } = set;
            json!({"name": name, "title": title, "about": about, "home": home, "licence": licence,
                "licence_url": licence_url, "credit": credit})
        });
        return output::print_json(&sets.collect::<Vec<_>>());
    }
    let sets = registry.sets().map(|set| {
        let DataSet { name, title, about, licence, home, .. } = set;
        format!("{name}\n  {title}: {about}\n  licence: {licence}\n  {home}\n")
    });
    output::print(&sets.collect::<String>())
}

/// The command that trains on the data set.
fn next(set: &DataSet, folder: &str) -> String {
    let recipe = set.recipe.as_deref().unwrap_or("recipes/quickstart.toml");
    let folder = if folder.contains(char::is_whitespace) { format!("'{folder}'") } else { folder.to_owned() };
    format!("earmark train --recipe {recipe} --data {folder} --out runs/{}", set.name)
}
