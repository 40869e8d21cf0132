//! A part of all: which share of attempts fails, of events repeats. Exact, in millionths.

use sprag_core::random::Random;
use std::fmt;

/// Between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share(u32);

const MILLION: u32 = 1_000_000;

impl Share {
    /// None of it.
    pub const NONE: Self = Self(0);

    /// All of it.
    pub const ALL: Self = Self(MILLION);

    /// So many thousandths, at most all.
    #[must_use]
    pub const fn per_thousand(thousandths: u32) -> Self {
        if thousandths >= 1_000 { Self::ALL } else { Self(thousandths * 1_000) }
    }

    /// This part of a whole number, rounded down.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / u128::from(MILLION);
        u64::try_from(part).unwrap_or(whole)
    }

    /// A draw that is true for this share of draws.
    pub fn hits(self, random: &mut Random) -> bool {
        random.below(u64::from(MILLION)) < u64::from(self.0)
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie between 0 and 1, so the product lies between 0 and a million"
    )]
    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
        let share = share.ok_or("a fraction between 0 and 1 is needed, such as 0.05")?;
        Ok(Self((share * f64::from(MILLION)).round() as u32))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", f64::from(self.0) / f64::from(MILLION))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions() {
        assert_eq!("0.25".parse::<Share>().unwrap().of(1_000), 250);
        assert_eq!(Share::per_thousand(20).of(5_000), 100);
        assert_eq!(Share::ALL.of(u64::MAX), u64::MAX);
        for text in ["0", "0.05", "0.333333", "1"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["-0.1", "1.01", "nan", "5%", ""] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn draws_hit_as_often_as_the_share_says() {
        let mut random = Random::new(7);
        let hits = (0..10_000).filter(|_| Share::per_thousand(300).hits(&mut random)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!(!Share::NONE.hits(&mut random) && Share::ALL.hits(&mut random));
    }
}
