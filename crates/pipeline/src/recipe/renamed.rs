//! Keys that had another name in earlier versions. The former names are still accepted.

use std::borrow::Cow;

use toml::{Table, Value};

use crate::error::{Result, ensure};
use crate::events::Warning;

/// The section of a key, its former name, and its current name.
const KEYS: [(&str, &str, &str); 8] = [
    ("data", "damaged", "on_decode_error"),
    ("learners", "weight_average", "ema_decay"),
    ("learners.kernel", "ridge", "alpha"),
    ("learners.augmentation", "length", "crop_length_jitter"),
    ("learners.augmentation", "stretch", "time_stretch"),
    ("learners.augmentation", "warp", "freq_warp"),
    ("learners.augmentation", "frequency_masks", "freq_masks"),
    ("stack", "calibrate", "temperature_scaling"),
];

/// Former values of `on_decode_error`, and their current names.
const VALUES: [(&str, &str); 2] = [("error", "fail"), ("zeros", "silence")];

/// Rewrites a recipe to the current names, with a warning for each key that was renamed. A text
/// without renamed keys, or that is not TOML, is returned unchanged, so that errors report the
/// right lines.
///
/// # Errors
/// A key is set under both names.
pub(super) fn with_new_names(text: &str) -> Result<(Cow<'_, str>, Vec<Warning>)> {
    let Ok(mut recipe) = text.parse::<Table>() else { return Ok((text.into(), Vec::new())) };
    let mut warnings = Vec::new();
    for (section, old, new) in KEYS {
        let mut path = section.split('.');
        let top = path.next().and_then(|name| recipe.get_mut(name));
        let tables: Vec<&mut Table> = match top {
            Some(Value::Table(table)) => vec![table],
            Some(Value::Array(tables)) => tables.iter_mut().filter_map(Value::as_table_mut).collect(),
            _ => Vec::new(),
        };
        let inner = path.next();
        let tables = tables.into_iter().filter_map(|table| match inner {
            Some(name) => table.get_mut(name)?.as_table_mut(),
            None => Some(table),
        });
        let mut renamed = false;
        for table in tables {
            let both = table.contains_key(old) && table.contains_key(new);
            ensure!(!both, Recipe, "{section}: `{old}` and its new name `{new}` are both set; remove `{old}`");
            renamed |= rename(table, old, new);
        }
        if renamed {
            warnings.push(Warning::RenamedKey { old: format!("{section}.{old}"), new: format!("{section}.{new}") });
        }
    }
    match toml::to_string(&recipe) {
        Ok(renamed) if !warnings.is_empty() => Ok((renamed.into(), warnings)),
        _ => Ok((text.into(), Vec::new())),
    }
}

/// Renames a key, if the table has it.
fn rename(table: &mut Table, old: &str, new: &str) -> bool {
    let Some(mut value) = table.remove(old) else { return false };
    if new == "on_decode_error" {
        let known = VALUES.iter().find(|(former, _)| value.as_str() == Some(former));
        value = known.map_or(value, |(_, name)| Value::from(*name));
    }
    table.insert(new.to_owned(), value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PipelineError;

    #[test]
    fn former_keys_get_their_names() {
        let old = r#"
            data.damaged = "zeros"
            stack.calibrate = true
            [[learners]]
            weight_average = 0.9
            kernel = { ridge = 0.1 }
            augmentation = { length = 0.5, stretch = 0.3, warp = 0.2, frequency_masks = { count = 1 } }
            [[learners]]
            weight_average = 0.8
        "#;
        let new = r#"
            data.on_decode_error = "silence"
            stack.temperature_scaling = true
            [[learners]]
            ema_decay = 0.9
            kernel = { alpha = 0.1 }
            augmentation = { crop_length_jitter = 0.5, time_stretch = 0.3, freq_warp = 0.2, freq_masks = { count = 1 } }
            [[learners]]
            ema_decay = 0.8
        "#;
        let (text, warnings) = with_new_names(old).unwrap();
        assert_eq!(text.parse::<Table>().unwrap(), new.parse::<Table>().unwrap());
        assert_eq!(warnings.len(), KEYS.len());
        assert!(matches!(with_new_names(new), Ok((Cow::Borrowed(_), warnings)) if warnings.is_empty()));
    }

    #[test]
    fn both_names_at_once_are_refused() {
        let both = "[stack]\ncalibrate = true\ntemperature_scaling = true\n";
        assert!(matches!(with_new_names(both), Err(PipelineError::Recipe(_))));
        assert!(matches!(with_new_names("no TOML"), Ok((Cow::Borrowed("no TOML"), _))));
    }
}
