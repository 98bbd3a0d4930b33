//! Earmark's own recipes that are part of the program.

use std::path::Path;

/// The names of their files in `recipes/`, without the extension, and their texts.
pub(crate) const SHIPPED: [(&str, &str); 6] = [
    ("pretrained", include_str!("../../../../recipes/pretrained.toml")),
    ("fast", include_str!("../../../../recipes/fast.toml")),
    ("medium", include_str!("../../../../recipes/medium.toml")),
    ("best", include_str!("../../../../recipes/best.toml")),
    ("dcase2018", include_str!("../../../../recipes/dcase2018.toml")),
    ("dcase2018-cpu", include_str!("../../../../recipes/dcase2018-cpu.toml")),
];

/// The recipe that a bare name stands for, with or without `.toml`.
pub(crate) fn shipped(file: &Path) -> Option<(&'static str, &'static str)> {
    let asked = file.to_str()?;
    let asked = asked.strip_suffix(".toml").unwrap_or(asked);
    SHIPPED.into_iter().find(|(name, _)| *name == asked)
}

/// The names of their files.
pub(crate) fn names() -> Vec<String> {
    SHIPPED.map(|(name, _)| format!("{name}.toml")).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn a_bare_name_stands_for_a_recipe() {
        for (name, text) in SHIPPED {
            Recipe::parse(text).unwrap();
            for asked in [name.to_owned(), format!("{name}.toml")] {
                assert_eq!(shipped(asked.as_ref()).unwrap(), (name, text));
            }
            assert!(names().contains(&format!("{name}.toml")));
        }
        for other in ["fastest", "recipes/fast.toml", "./fast.toml", "fast.toml.toml", ""] {
            assert_eq!(shipped(other.as_ref()), None, "{other}");
        }
    }
}
