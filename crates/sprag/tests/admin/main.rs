//! The admin API through real HTTP on a loopback port, over a whole small node.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod client;
mod commands;
mod lists;
mod node;
mod reading;
mod refusals;
