//! Faults done to the real binary, one module for each family: what is promised holds, and what was
//! seen is a row of the table that `cargo xtask faults` prints (docs/internals/faults.md).
//!
//! `SPRAG_FAULTS_ROUNDS=N`, `SPRAG_FAULTS_SECONDS=N` and `SPRAG_FAULTS_SEED=N` run each longer or with
//! other choices. Files are hurt below the process by a preload library (crate `shim`), the rest from
//! outside. Faults that have test files of their own: `kill_rounds`, `disk_full`, `hardship`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "the test log is the table")]

mod clock;
mod damage;
mod errors;
mod front;
mod held;
mod image;
mod power;
mod reached;
mod recorded;
mod shim;
mod stopped;
mod trace;
mod used;

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/consumer.rs"]
mod consumer;
#[path = "../wire/post.rs"]
mod post;
#[path = "../observed/record.rs"]
mod record;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../observed/scenario.rs"]
mod scenario;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../observed/server.rs"]
mod server;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../wire/mod.rs"]
mod wire;

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../support"]
mod support {
    pub(crate) mod acknowledger;
    pub(crate) mod admin;
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod consumer;
    pub(crate) mod dice;
    pub(crate) mod event;
    pub(crate) mod fault;
    pub(crate) mod gateway;
    pub(crate) mod judge;
    pub(crate) mod ledger;
    pub(crate) mod load;
    pub(crate) mod rounds;
    pub(crate) mod world;
}
