//! How a consumer misbehaves on purpose: fails, is slow, or acts and then does not answer.
//!
//! The draw depends on the seed, the id and the attempt alone, so a run with the same seed fails
//! the same attempts, in whatever order they come.

use super::delivery::{Delivery, sha256};
use sprag_core::random::Random;
use std::time::Duration;

/// Shares between 0 and 1, in millionths; what is left is answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Answered with 500.
    pub fail: Share,
    /// Acted upon, and the connection closed without an answer.
    pub silent: Share,
    /// Answered after `delay`.
    pub slow: Share,
    /// How long slow answers take.
    pub delay: Duration,
    /// What the draws begin with.
    pub seed: u64,
}

/// A part of all, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share(u32);

/// What happens to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// 200
    Acknowledge,
    /// 500
    Fail,
    /// No answer.
    Silence,
}

const MILLION: u32 = 1_000_000;

impl Share {
    /// All.
    pub const ALL: Self = Self(MILLION);

    /// `None` when it is not between 0 and 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie between 0 and 1, so the product lies between 0 and a million"
    )]
    pub fn new(share: f64) -> Option<Self> {
        let in_range = (0.0..=1.0).contains(&share);
        in_range.then(|| Self((share * f64::from(MILLION)).round() as u32))
    }

    /// This part of a whole number, rounded down.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / u128::from(MILLION);
        u64::try_from(part).unwrap_or(whole)
    }

    fn hits(self, random: &mut Random) -> bool {
        random.below(u64::from(MILLION)) < u64::from(self.0)
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.parse().ok().and_then(Self::new);
        share.ok_or_else(|| "a fraction between 0 and 1 is needed, such as 0.05".into())
    }
}

impl Faults {
    /// What happens to an attempt, and after how long.
    #[must_use]
    pub fn react(&self, delivery: &Delivery) -> (Reaction, Duration) {
        if [self.fail, self.silent, self.slow] == [Share::default(); 3] {
            return (Reaction::Acknowledge, Duration::ZERO);
        }
        let mut random = self.random(delivery);
        let delay = if self.slow.hits(&mut random) { self.delay } else { Duration::ZERO };
        let reaction = if self.fail.hits(&mut random) {
            Reaction::Fail
        } else if self.silent.hits(&mut random) {
            Reaction::Silence
        } else {
            Reaction::Acknowledge
        };
        (reaction, delay)
    }

    fn random(&self, delivery: &Delivery) -> Random {
        let attempt = delivery.attempt.to_be_bytes();
        let digest = sha256(&[&self.seed.to_be_bytes(), &attempt, delivery.id.as_bytes()]);
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[..8]);
        Random::new(u64::from_be_bytes(seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions() {
        assert_eq!("0.25".parse::<Share>().unwrap().of(1_000), 250);
        assert_eq!(Share::ALL.of(u64::MAX), u64::MAX);
        for text in ["-0.1", "1.01", "nan", "5%", ""] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
