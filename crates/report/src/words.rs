//! Formats numbers and names for sentences and tables.

use earmark_pipeline::{Model, ModelKind, Scoring};
use earmark_stacking::Interval;
use earmark_tables::counted;

/// The name of a system within a sentence.
pub fn said<S: Scoring>(system: &Model<S>) -> String {
    if system.kind == ModelKind::Stack { "the stack".to_owned() } else { format!("the learner {}", system.name) }
}

pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

pub fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".to_owned() }
}

pub fn with_interval(value: f64, Interval { low, high }: Interval) -> String {
    format!("{} [{}, {}]", number(value), number(low), number(high))
}

pub fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

pub fn clips(number: usize) -> String {
    counted(number, "clip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!((number(0.25), number(f64::NAN)), ("0.250".to_owned(), "–".to_owned()));
        assert_eq!((clips(1), clips(2)), ("1 clip".to_owned(), "2 clips".to_owned()));
        assert_eq!(percent(0.9375), "93.8\u{a0}%");
        assert_eq!(capital("the stack"), "The stack");
    }
}
