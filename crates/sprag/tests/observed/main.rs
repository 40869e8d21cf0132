//! What Sprag says and does, row by row, seen from outside at the real binary: every status and
//! refusal of ingress, every problem code, every fate, every outcome of a reload, every key
//! of the configuration by its effect.
//!
//! A scenario is a row of a table: what it shows, the lines of configuration that bring it about,
//! and what is done and seen. What was seen is written down (`record`), and the step `observed` of
//! `cargo xtask test` compares it with the lists the product itself prints.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod commands;
mod configuration;
mod deliveries;
mod depends;
mod entry;
mod forgetting;
mod late;
mod limits;
mod order;
#[path = "../wire/post.rs"]
mod post;
mod record;
mod refill;
mod replay;
mod retention;
mod scenario;
mod server;
mod signatures;
mod silence;
mod sources;
#[path = "../support"]
mod support {
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod gateway;
}
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/server.rs"]
mod authority;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/proof.rs"]
mod proof;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../wire/mod.rs"]
mod wire;
