//! Durations and sizes as the configuration writes them: a whole number and a unit.

use crate::limits::DURATION_SECONDS;
use std::time::Duration;

const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Why a text is no duration or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitProblem {
    /// Not a whole number followed by one of these units.
    Expected(&'static str),
    /// Beyond what can be meant.
    TooLarge,
}

impl std::fmt::Display for UnitProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expected(example) => {
                write!(formatter, "a whole number with a unit is needed, such as {example}")
            }
            Self::TooLarge => formatter.write_str("the number is too large"),
        }
    }
}

/// Reads `250ms`, `5s`, `10m`, `72h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, UnitProblem> {
    let milliseconds = scaled(text, &DURATIONS, r#""250ms", "5s", "10m", "72h" or "7d""#)?;
    if milliseconds > DURATION_SECONDS * 1_000 {
        return Err(UnitProblem::TooLarge);
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Reads `512B`, `64KiB`, `1MiB`, `2GiB` as bytes.
pub fn size(text: &str) -> Result<u64, UnitProblem> {
    scaled(text, &SIZES, r#""512B", "64KiB", "1MiB" or "2GiB""#)
}

/// A duration in the largest unit that is exact.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    exact(milliseconds, DURATIONS)
}

/// A size in the largest unit that is exact.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    exact(bytes.into(), SIZES)
}

fn exact<const N: usize>(value: u128, units: [(&str, u64); N]) -> String {
    let fits = |(_, scale): &&(&str, u64)| value.is_multiple_of((*scale).into());
    let (unit, scale) = units.iter().rev().find(fits).copied().unwrap_or(units[0]);
    format!("{}{unit}", value / u128::from(scale))
}

fn scaled(text: &str, units: &[(&str, u64)], example: &'static str) -> Result<u64, UnitProblem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let known = units.iter().find(|(name, _)| *name == unit);
    let (_, scale) = known.filter(|_| digits > 0).ok_or(UnitProblem::Expected(example))?;
    let number: u64 = number.parse().map_err(|_| UnitProblem::TooLarge)?;
    number.checked_mul(*scale).ok_or(UnitProblem::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_written_back() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("90m", 5_400_000),
            ("72h", 259_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["250ms", "5s", "90m", "7d"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        for (text, bytes) in
            [("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes));
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn a_number_alone_says_nothing() {
        for text in ["5", "", "s", "5 s", "-5s", "1.5s", "5S", "1h30m", "5min"] {
            assert!(matches!(duration(text), Err(UnitProblem::Expected(_))), "{text}");
        }
        for text in ["1MB", "1", "1 MiB", "1mib"] {
            assert!(matches!(size(text), Err(UnitProblem::Expected(_))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["99999999999999999999d", "18446744073709551615d", "11000d"] {
            assert_eq!(duration(text), Err(UnitProblem::TooLarge), "{text}");
        }
        assert_eq!(size("18446744073709551615GiB"), Err(UnitProblem::TooLarge));
    }
}
