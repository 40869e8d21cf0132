//! An instant as text: RFC 3339 in UTC. Must not know: clocks, zones other than UTC.

use alloc::format;
use alloc::string::String;

const NANOSECONDS: u64 = 1_000_000_000;
const SECONDS_OF_A_DAY: u64 = 86_400;

/// The instant as `2026-11-22T08:00:00.000000000Z`.
#[must_use]
pub fn instant_text(nanoseconds: u64) -> String {
    let (seconds, rest) = (nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS);
    let (days, second) = (seconds / SECONDS_OF_A_DAY, seconds % SECONDS_OF_A_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:09}Z")
}

/// The Gregorian date so many days after 1970-01-01. Years are counted from March, so that the
/// leap day is the last of its year, in eras of 400 years, which all have as many days.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_AN_ERA: u64 = 146_097;
    // 0000-03-01 lies 719,468 days before 1970-01-01.
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_AN_ERA, days % DAYS_OF_AN_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, again and again.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_read_as_they_should() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(instant_text(nanoseconds), text);
        }
    }

    #[test]
    fn days_follow_one_another() {
        let mut before = date(0);
        for day in 1..200_000 {
            let next = date(day);
            let same_month = (before.0, before.1) == (next.0, next.1) && next.2 == before.2 + 1;
            let new_month = next.2 == 1 && (28..=31).contains(&before.2);
            assert!(same_month || new_month, "{before:?} {next:?}");
            before = next;
        }
    }
}
