//! `earmark data download`: a data set from the network, its terms, and what to do next.

use std::io::IsTerminal;

use clap::error::ErrorKind;
use earmark_datasets::download::{DataSet, DownloadError, DownloadOptions, Event, Network, Registry, Step, download};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::args::Download;
use crate::{output, place};

pub fn run(options: &Download) -> anyhow::Result<()> {
    let registry = match &options.registry {
        Some(path) => Registry::read(path)?,
        None => Registry::built_in()?,
    };
    let (Some(name), Some(to)) = (&options.name, &options.to) else {
        return list(&registry, options.json);
    };
    place::check("--to", to)?;
    let set = match registry.get(name) {
        // A name that is not known is wrong usage, as if clap knew the names.
        Err(error @ DownloadError::UnknownSet { .. }) => {
            clap::Error::raw(ErrorKind::InvalidValue, format!("{error}\n")).exit()
        }
        set => set?,
    };
    output::tell(&format!("{}: {}\nlicence: {}", set.title, set.about, set.licence));
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
    output::tell(&format!("{}: {complete}: {} files, {}", to.display(), done.files, bytes(done.bytes)));
    output::tell(&format!("licence: {}\n         {}\ncredit:  {}", set.licence, set.licence_url, set.credit));
    output::tell(&format!("next:    {}", next(set, &to.display().to_string())));
    if options.json {
        output::print_json(&json!({
            "name": set.name,
            "title": set.title,
            "folder": done.folder,
            "licence": set.licence,
            "licence_url": set.licence_url,
            "credit": set.credit,
            "files": done.files,
            "bytes": done.bytes,
            "already_there": done.already_there,
        }))?;
    }
    Ok(())
}

/// What can be fetched.
fn list(registry: &Registry, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let sets = registry.sets().map(|set| {
            json!({
                "name": set.name, "title": set.title, "about": set.about, "home": set.home,
                "licence": set.licence, "licence_url": set.licence_url, "credit": set.credit,
            })
        });
        return output::print_json(&sets.collect::<Vec<_>>());
    }
    let sets = registry.sets().map(|set| {
        let DataSet { name, title, about, licence, home, .. } = set;
        format!("{name}\n  {title}: {about}\n  licence: {licence}\n  {home}\n")
    });
    output::print(&sets.collect::<String>())
}

/// The command that trains on it.
fn next(set: &DataSet, folder: &str) -> String {
    let recipe = set.recipe.as_deref().unwrap_or("recipes/quickstart.toml");
    let folder = if folder.contains(char::is_whitespace) { format!("'{folder}'") } else { folder.to_owned() };
    format!("earmark train --recipe {recipe} --data {folder} --out runs/{}", set.name)
}

/// A number of bytes as people read it.
fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// The bar of what is being done; lines, where there is no terminal.
pub struct Bar {
    bar: ProgressBar,
    now: Option<(Step, String)>,
}

impl Bar {
    /// A bar on stderr, if that is a terminal and it is wanted; lines otherwise.
    pub fn new(wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: ProgressBar::with_draw_target(None, target), now: None }
    }

    /// Shows what happens.
    pub fn show(&mut self, event: Event) {
        match event {
            Event::Note(text) => self.bar.suspend(|| output::tell(text)),
            Event::Progress { step, archive, done, total } => {
                if self.now.as_ref().is_none_or(|(last, name)| *last != step || name != archive) {
                    self.begin(step, archive, done, total);
                }
                self.bar.set_position(done);
            }
        }
    }

    fn begin(&mut self, step: Step, archive: &str, done: u64, total: Option<u64>) {
        self.now = Some((step, archive.to_owned()));
        let verb = match step {
            Step::Fetch => "fetching",
            Step::Check => "checking",
            Step::Unpack => "unpacking",
        };
        if self.bar.is_hidden() {
            let size = total.map_or(String::new(), |total| format!(", {}", bytes(total)));
            return output::tell(&format!("{verb} {archive}{size}"));
        }
        let template = match total {
            Some(_) => "{prefix} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left",
            None => "{prefix} {decimal_bytes} {decimal_bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("━╸ "));
        self.bar.set_prefix(format!("{verb} {archive}"));
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        // What an earlier call brought says nothing about the speed now.
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
