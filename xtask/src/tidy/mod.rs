//! `cargo xtask tidy`: rules that the compiler does not check. It lists all violations.

mod circles;
mod crates;
mod files;
mod prose;
mod scan;
mod sources;

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::steps::metadata;

pub fn tidy(root: &Path) -> Result<()> {
    let mut breaches = crates::breaches(root, &metadata(root)?)?;
    let tracked = files::tracked_files(root)?;
    for path in &tracked {
        breaches.extend(files::breaches(root, path));
        // The file may be deleted but not yet committed.
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        breaches.extend(prose::breaches(path, &text));
        breaches.extend(sources::breaches(path, &text));
    }
    breaches.extend(circles::breaches(root, &tracked));
    if !breaches.is_empty() {
        bail!("{} breaches of the rules:\n  {}", breaches.len(), breaches.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn tidy() {
        if let Err(error) = super::tidy(&crate::root()) {
            panic!("{error:#}");
        }
    }
}
