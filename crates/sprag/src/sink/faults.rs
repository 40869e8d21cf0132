//! How a consumer misbehaves on purpose: fails, is slow, or acts and then does not answer.
//!
//! The draw depends on the seed, the id and the attempt alone, so a run with the same seed fails
//! the same attempts, in whatever order they come.

use super::delivery::{Delivery, sha256};
use crate::share::Share;
use sprag_core::random::Random;
use std::time::Duration;

/// What is left of the shares is answered well.
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
