//! What operators type, as the real binary against a real `sprag serve`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod consumer;
mod dead;
#[path = "../support/dice.rs"]
mod dice;
mod explain;
mod keys;
mod merged;
mod metrics;
mod rebuild;
mod replay;
mod top;
mod world;
