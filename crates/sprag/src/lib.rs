//! The gateway: HTTP, TLS, TOML, SQLite, threads and the operator.
//!
//! The only crate with an async runtime, a clock and sockets. It decides nothing about order; that
//! is `sprag-core`. ARCHITECTURE.md has the map and the life of an event.

use mimalloc::MiMalloc;

/// Of the library, so that what is measured and tested allocates as the binary does.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

pub mod admin;
pub mod authorities;
pub mod backup;
pub mod chaos;
pub mod cli;
pub mod clock;
pub mod config;
mod cores;
pub mod descriptors;
pub mod disk_reserve;
pub mod dispatch;
pub mod extract;
pub mod fate;
pub mod ingress;
pub mod life;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod order;
pub mod out;
pub mod plan;
pub mod preset;
pub mod problem;
pub mod provider;
pub mod rebuild;
pub mod refill;
pub mod reload;
pub mod secret;
pub mod serve;
pub mod share;
pub mod sink;
mod source_changed;
pub mod state;
pub mod token;
pub mod verify;
