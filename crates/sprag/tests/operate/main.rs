//! What operators type, as the real binary against a real `sprag serve`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod consumer;
mod dead;
mod explain;
mod keys;
mod metrics;
mod rebuild;
mod replay;
mod top;
mod world;
