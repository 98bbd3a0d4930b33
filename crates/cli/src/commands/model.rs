//! `earmark model`: models that tag without training.

use earmark_tagging::ModelStore;
use serde_json::json;

use super::bundle::{self, Info, Installed};
use crate::args::Model;
use crate::output;

/// Runs the command.
pub fn run(command: &Model) -> anyhow::Result<()> {
    let store = ModelStore::open()?;
    match command {
        Model::List { json } => list(&store, *json),
        Model::Pull { .. } | Model::Import { .. } => install(&store, command),
        Model::Info { name, json } => info(&store, name, *json),
        Model::Verify { name } => {
            let verified = store.verify(name)?;
            bundle::print_verified(&store.find(name)?, &verified)
        }
        Model::Remove { name } => {
            let default = store.default_name()?;
            store.remove(name)?;
            let was_default = default.as_deref() == Some(name);
            let why = if was_default { "; no model is chosen now (`earmark model use NAME`)" } else { "" };
            output::line(&format!("{name} is removed{why}"));
            Ok(())
        }
        Model::Use { name } => {
            store.read(name)?;
            store.set_default(name)?;
            output::line(&format!("{name} tags from now on"));
            Ok(())
        }
    }
}

/// The line about a model that was installed.
#[cfg(feature = "download")]
fn report(store: &ModelStore, name: &str) -> anyhow::Result<()> {
    let (bundle, _) = store.read(name)?;
    let origin = bundle.origin.unwrap_or_default();
    let unknown = || "not known".to_owned();
    output::line(&format!("{name}: {} classes, in {}", bundle.labels.len(), store.path(name)?.display()));
    output::line(&format!("source:  {}", origin.source));
    output::line(&format!("licence: {}", origin.licence.unwrap_or_else(unknown)));
    output::line(&format!("paper:   {}", origin.paper.unwrap_or_else(unknown)));
    output::line("next:    earmark tag SOUND");
    Ok(())
}

#[cfg(feature = "download")]
fn install(store: &ModelStore, command: &Model) -> anyhow::Result<()> {
    use earmark_models::{ClassList, PullOptions, import, pull};

    use super::download_bar::Bar;

    let name = match command {
        Model::Pull { name, mirror, no_progress } => {
            let options = PullOptions { mirror: mirror.clone(), ..PullOptions::default() };
            let mut bar = Bar::new(!no_progress);
            let pulled = pull(store, name, &options, &mut |event| bar.show(event));
            bar.end();
            pulled?;
            store.set_default(name)?;
            name
        }
        Model::Import { file, arch, labels, name } => {
            let classes = labels.as_deref().map_or_else(|| Ok(ClassList::audioset()), ClassList::read)?;
            import(store, name, file, arch, &classes)?;
            if store.default_name()?.is_none() {
                store.set_default(name)?;
            }
            name
        }
        _ => anyhow::bail!("this command installs nothing"),
    };
    report(store, name)
}

#[cfg(not(feature = "download"))]
fn install(_: &ModelStore, _: &Model) -> anyhow::Result<()> {
    anyhow::bail!("this build of Earmark only tags: pull or import with the full one, and copy the folder of models")
}

/// Size of the networks in parameters, and their precision, of published models by name.
#[cfg(feature = "download")]
fn published() -> Vec<(String, String)> {
    let of = |model: earmark_models::PublishedModel| {
        let precision = model.mean_average_precision().map_or(String::new(), |value| format!(", mAP {value:.3}"));
        let millions = model.parameters as f64 / 1e6;
        (model.name, format!("{millions:.1} million parameters{precision}, {}", model.licence))
    };
    earmark_models::published().into_iter().map(of).collect()
}

#[cfg(not(feature = "download"))]
fn published() -> Vec<(String, String)> {
    Vec::new()
}

fn list(store: &ModelStore, as_json: bool) -> anyhow::Result<()> {
    let (installed, default) = (store.names()?, store.default_name()?);
    let published = published();
    let own = installed.iter().filter(|name| !published.iter().any(|(published, _)| published == *name));
    let own: Vec<(String, String)> = own.map(|name| (name.clone(), "imported".to_owned())).collect();
    let state = |name: &String| (installed.contains(name), default.as_ref() == Some(name));
    if as_json {
        let models = published.iter().chain(&own).map(|(name, about)| {
            let (installed, default) = state(name);
            json!({"name": name, "about": about, "installed": installed, "default": default})
        });
        return output::print_json(&models.collect::<Vec<_>>());
    }
    let lines = published.iter().chain(&own).map(|(name, about)| {
        let what = match state(name) {
            (_, true) => "installed, tags by default",
            (true, false) => "installed",
            (false, false) => "",
        };
        format!("{name:<14} {what:<27} {about}\n")
    });
    output::print(&lines.collect::<String>())
}

fn info(store: &ModelStore, name: &str, as_json: bool) -> anyhow::Result<()> {
    let (bundle, files) = store.read(name)?;
    let installed = Installed { name, default: store.default_name()?.as_deref() == Some(name) };
    bundle::print_info(&Info::new(&store.find(name)?, &bundle, &files, Some(installed)), as_json)
}
