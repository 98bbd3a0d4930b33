//! The time of day of a sound.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time, in UTC and with milliseconds, as RFC 3339 has it.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_micros(500);
    let (seconds, milliseconds) = (since.as_secs(), since.subsec_millis());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Year, month and day of the Gregorian calendar, by the number of days since 1970. After Howard
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March, so that the day that may be missing is the last one.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // `date --utc --date=@SECONDS +%FT%TZ`
        for (seconds, expected) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_399.999_6, "2000-02-29T00:00:00.000Z"),
            (951_868_799.25, "2000-02-29T23:59:59.250Z"),
            (951_868_800.0, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599.0, "2024-12-31T23:59:59.000Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs_f64(seconds)), expected);
        }
    }
}
