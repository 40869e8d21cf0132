//! Hard times for the real binary: too few descriptors, consumers that answer with malice, keys
//! that hang, a destination that is down with twenty thousand lanes waiting for it.
//!
//! Nothing is asserted about speed; where something must happen, it is waited for generously.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "the test log names counts")]

mod answering;
mod descriptors;
mod hostile;
mod hung;
mod outage;
mod poisoned;
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
mod slots;
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
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/consumer.rs"]
mod consumer;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../wire/mod.rs"]
mod wire;
