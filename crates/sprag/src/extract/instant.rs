//! A time that orders events, read as an instant in nanoseconds (rule K3).
//!
//! A time without a zone is refused and nothing is compared as text. It must not know the clock.

use super::Reason;
use jiff::Timestamp;

/// How a source writes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstantUnit {
    /// Whole seconds since 1970.
    Seconds,
    /// Whole milliseconds since 1970.
    Milliseconds,
    /// Whole microseconds since 1970.
    Microseconds,
    /// Whole nanoseconds since 1970.
    Nanoseconds,
    /// RFC 3339 with any offset.
    Rfc3339,
}

/// The words of the configuration.
pub const INSTANT_UNITS: [(&str, InstantUnit); 5] = [
    ("s", InstantUnit::Seconds),
    ("ms", InstantUnit::Milliseconds),
    ("us", InstantUnit::Microseconds),
    ("ns", InstantUnit::Nanoseconds),
    ("rfc3339", InstantUnit::Rfc3339),
];

impl InstantUnit {
    /// The word of the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        INSTANT_UNITS.iter().find(|(_, unit)| *unit == self).map_or("", |(word, _)| word)
    }

    /// Nanoseconds since 1970. They fit until 2262; nothing that is sent to a webhook happened before.
    pub fn read_ns(self, text: &[u8]) -> Result<u64, Reason> {
        let instant = match self {
            Self::Seconds => epoch_ns(text, 1_000_000_000),
            Self::Milliseconds => epoch_ns(text, 1_000_000),
            Self::Microseconds => epoch_ns(text, 1_000),
            Self::Nanoseconds => epoch_ns(text, 1),
            Self::Rfc3339 => rfc3339_ns(text),
        };
        u64::try_from(instant?).map_err(|_| Reason::TimeOutOfRange)
    }
}

impl InstantUnit {
    /// The instant this many units after 1970; for RFC 3339 the unit is a second.
    #[must_use]
    pub fn write(self, units: u32) -> String {
        match self {
            Self::Rfc3339 => {
                let instant = Timestamp::from_second(i64::from(units));
                instant.expect("2^32 seconds end in 2106").to_string()
            }
            Self::Seconds | Self::Milliseconds | Self::Microseconds | Self::Nanoseconds => {
                units.to_string()
            }
        }
    }
}

/// Digits, perhaps with a minus: a fraction has no whole unit, and rounding would make two
/// instants one.
fn epoch_ns(text: &[u8], unit_ns: i64) -> Result<i64, Reason> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::NotATime);
    }
    let text = std::str::from_utf8(text).map_err(|_| Reason::NotATime)?;
    let value: i64 = text.parse().map_err(|_| Reason::TimeOutOfRange)?;
    value.checked_mul(unit_ns).ok_or(Reason::TimeOutOfRange)
}

fn rfc3339_ns(text: &[u8]) -> Result<i64, Reason> {
    let text = std::str::from_utf8(text).map_err(|_| Reason::NotATime)?;
    // RFC 9557 adds `[Europe/Berlin]`, whose meaning depends on a time zone database.
    if text.contains('[') {
        return Err(Reason::NotATime);
    }
    let instant: Timestamp = text.parse().map_err(|_| Reason::NotATime)?;
    i64::try_from(instant.as_nanosecond()).map_err(|_| Reason::TimeOutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_in_every_unit() {
        let instant = Ok(1_649_367_553_000_000_000);
        for (word, text) in [
            ("s", "1649367553"),
            ("ms", "1649367553000"),
            ("us", "1649367553000000"),
            ("ns", "1649367553000000000"),
            ("rfc3339", "2022-04-07T21:39:13Z"),
            ("rfc3339", "2022-04-07T23:39:13.000000000+02:00"),
        ] {
            let (_, unit) = INSTANT_UNITS.iter().find(|(known, _)| *known == word).unwrap();
            assert_eq!(unit.read_ns(text.as_bytes()), instant, "{text}");
            assert_eq!(unit.word(), word);
        }
        assert_eq!(InstantUnit::Rfc3339.read_ns(b"1970-01-01T00:00:00.000000001Z"), Ok(1));
    }

    #[test]
    fn what_is_written_is_read_back_in_order() {
        for (_, unit) in INSTANT_UNITS {
            let [zero, one, last] =
                [0, 1, u32::MAX].map(|units| unit.read_ns(unit.write(units).as_bytes()).unwrap());
            assert!(zero == 0 && one > zero && last > one, "{unit:?}");
        }
    }

    #[test]
    fn a_time_without_a_zone_and_other_texts_are_refused() {
        for text in ["2022-04-07T21:39:13", "2022-04-07", "2015-05-17 18:08:09 UTC", "", "now"] {
            assert_eq!(InstantUnit::Rfc3339.read_ns(text.as_bytes()), Err(Reason::NotATime));
        }
        let named = b"2022-04-07T23:39:13+02:00[Europe/Berlin]";
        assert_eq!(InstantUnit::Rfc3339.read_ns(named), Err(Reason::NotATime));
        for text in ["", "-", "+1", "1.5", "1e9", "0x1"] {
            assert_eq!(InstantUnit::Seconds.read_ns(text.as_bytes()), Err(Reason::NotATime));
        }
    }

    #[test]
    fn instants_beyond_the_range_are_told() {
        for far in ["2300-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z"] {
            let read = InstantUnit::Rfc3339.read_ns(far.as_bytes());
            assert_eq!(read, Err(Reason::TimeOutOfRange), "{far}");
        }
        assert_eq!(InstantUnit::Milliseconds.read_ns(b"-1"), Err(Reason::TimeOutOfRange));
        // Milliseconds read as seconds.
        let wrong_unit = InstantUnit::Seconds.read_ns(b"1649367553000");
        assert_eq!(wrong_unit, Err(Reason::TimeOutOfRange));
    }
}
