//! Numbers and lists of faults as text.

use earmark_stacking::Interval;

/// A score, or a dash for NaN.
pub fn score(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

/// A score with its interval.
pub fn with_interval(value: f64, Interval { low, high }: Interval) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4} [{low:.3}, {high:.3}]") }
}

/// A difference of scores with its interval, or a dash for NaN.
pub fn difference(value: f64, Interval { low, high }: Interval) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:+.4} [{low:+.3}, {high:+.3}]") }
}

/// A duration in readable form: `45 s`, `12 min`, `3 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        _ if seconds < 1.0 => format!("{seconds:.1} s"),
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if minutes < 120 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// Returns the first of the faults in a file as an error of several lines, if there are any.
pub(crate) fn none_or_first(faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() { Ok(()) } else { Err(shortened(faults).join("\n")) }
}

/// The first of many lines, and how many more there are.
pub(crate) fn shortened(mut lines: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 20;
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_people_use() {
        let texts = [0.25, 45.4, 119.0, 125.0, 7_000.0, 11_100.0].map(duration);
        assert_eq!(texts, ["0.2 s", "45 s", "119 s", "2 min", "117 min", "3 h 05 min"]);
    }
}
