//! A signed time as text, read as an instant (rule K3).
//!
//! It must not know the clock: it only reads what the sender wrote.

use jiff::Timestamp;

/// How a sender writes the time it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Whole seconds since 1970.
    Seconds,
    /// Whole milliseconds since 1970.
    Milliseconds,
    /// RFC 3339 with any offset. A time without a zone is refused.
    Rfc3339,
}

impl TimestampUnit {
    /// Reads the text as microseconds since 1970; `None` when it is not a time of this form.
    #[must_use]
    pub fn read_us(self, text: &[u8]) -> Option<i64> {
        match self {
            Self::Seconds => epoch(text)?.checked_mul(1_000_000),
            Self::Milliseconds => epoch(text)?.checked_mul(1_000),
            Self::Rfc3339 => rfc3339(text),
        }
    }

    /// Writes an instant in this form.
    #[must_use]
    pub fn write(self, at_us: i64) -> String {
        match self {
            Self::Seconds => at_us.div_euclid(1_000_000).to_string(),
            Self::Milliseconds => at_us.div_euclid(1_000).to_string(),
            // Out of range only beyond the year 9999, where the epoch is the safe answer: the
            // verifier of the other side refuses it.
            Self::Rfc3339 => {
                Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
            }
        }
    }
}

/// Digits only: a sign, a blank or a fraction would give one instant two signed texts.
fn epoch(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn rfc3339(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    // RFC 9557 adds `[Europe/Berlin]`, whose meaning depends on a time zone database.
    if text.contains('[') || !ends_with_zone(text.as_bytes()) {
        return None;
    }
    Some(text.parse::<Timestamp>().ok()?.as_microsecond())
}

/// `Z`, or an offset with hours and minutes, as RFC 3339 has it (section 5.6) and others do not: a time could else
/// be written so that what follows it in a signed text began with its minutes.
fn ends_with_zone(text: &[u8]) -> bool {
    matches!(text, [.., b'Z' | b'z'] | [.., b'+' | b'-', _, _, b':', _, _])
}

#[cfg(test)]
mod tests {
    use super::TimestampUnit::{Milliseconds, Rfc3339, Seconds};

    #[test]
    fn an_offset_has_hours_and_minutes() {
        assert!(Rfc3339.read_us(b"2022-04-07T23:39:13+02:00").is_some());
        assert!(Rfc3339.read_us(b"2022-04-07T23:39:13-00:30").is_some());
        assert!(Rfc3339.read_us(b"2022-04-07T23:39:13z").is_some());
        for text in ["+02", "+0200", "+02:00:00", ""] {
            let text = format!("2022-04-07T23:39:13{text}");
            assert_eq!(Rfc3339.read_us(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn units_and_offsets_are_the_same_instant() {
        let instant = Some(1_649_367_553_000_000);
        assert_eq!(Seconds.read_us(b"1649367553"), instant);
        assert_eq!(Milliseconds.read_us(b"1649367553000"), instant);
        assert_eq!(Rfc3339.read_us(b"2022-04-07T21:39:13Z"), instant);
        assert_eq!(Rfc3339.read_us(b"2022-04-07T23:39:13.000+02:00"), instant);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for unit in [Seconds, Milliseconds, Rfc3339] {
            let text = unit.write(1_649_367_553_000_000);
            assert_eq!(unit.read_us(text.as_bytes()), Some(1_649_367_553_000_000), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_and_other_texts_are_refused() {
        for text in [
            "2022-04-07T21:39:13",
            "2022-04-07",
            "2022-04-07T21:39:13+02:00[Europe/Berlin]",
            "",
            "yesterday",
        ] {
            assert_eq!(Rfc3339.read_us(text.as_bytes()), None, "{text}");
        }
        for text in
            ["", "-1", "+1", " 1", "1.5", "1e3", "99999999999999999999", "9223372036854775807"]
        {
            assert_eq!(Seconds.read_us(text.as_bytes()), None, "{text}");
        }
    }
}
