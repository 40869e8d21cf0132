//! Writes the data directories that `cargo xtask bench` measures restarts, memory and bytes with: millions of
//! events without HTTP, through everything else.
//!
//! `cargo run --release -p sprag --example bench_fill -- --config sprag.toml --source bench --events 100000
//! --keys 1000`
//!
//! The node, the log, the state store and the rules of the source are the product's own; every fact is decided by
//! the core. Only what stands at both ends is replaced: events are made here instead of being posted (not verified,
//! signed all the same), and attempts are answered here, at once (`network`).
//! `sprag serve` goes on with the same configuration where this ended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an example stops at its first fault")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

#[path = "../bench/event.rs"]
mod event;

mod corpus;
mod events;
mod network;
mod node;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use sprag::config::{self, Config, SecretReference};
use sprag_core::fact::Outcome;
use sprag_core::output::{Answer, Status};
use tokio::sync::Semaphore;

use events::Events;
use node::Filling;

/// What to write.
#[derive(Parser)]
pub(crate) struct Options {
    /// The configuration; what it says of the data directory counts from here
    #[arg(long)]
    config: PathBuf,
    /// The source whose events they are
    #[arg(long)]
    source: String,
    /// Events
    #[arg(long)]
    events: u64,
    /// Different keys; each has its next event after all others had theirs
    #[arg(long, default_value_t = 1)]
    keys: u64,
    /// A file of bodies in place of made ones: `index.json` of `@octokit/webhooks-examples`
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// No attempt reaches its consumer: everything waits
    #[arg(long)]
    dead: bool,
    /// Every attempt is answered 410: each lane halts at its first event, and the others wait behind it
    #[arg(long, conflicts_with = "dead")]
    gone: bool,
    /// Events on their way at once: received and not durable, or not delivered unless all wait
    #[arg(long, default_value_t = 4_096)]
    in_flight: u32,
}

/// Of one key no more than this: behind one whose id is looked up so many wait (`limits::COLD_KEY_INPUTS`), and the next is turned
/// away.
const IN_FLIGHT_OF_A_KEY: u64 = 1_000;
/// An attempt that delivers.
const ANSWERED: Outcome = Outcome::Answered { status: 200 };

impl Options {
    /// How many are on their way at once.
    fn places(&self) -> u32 {
        let of_keys = self.keys.saturating_mul(IN_FLIGHT_OF_A_KEY);
        u32::try_from(of_keys).unwrap_or(u32::MAX).min(self.in_flight)
    }

    /// How every attempt ends.
    fn outcome(&self) -> Outcome {
        match (self.dead, self.gone) {
            (true, _) => Outcome::Unreachable,
            (_, true) => Outcome::Answered { status: 410 },
            _ => ANSWERED,
        }
    }
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fill(&options));
}

fn configuration(options: &Options) -> Config {
    let text = std::fs::read_to_string(&options.config).unwrap();
    let name = options.config.display().to_string();
    let mut config = config::check(&text, &name, &SecretReference::from_machine).unwrap().config;
    // Nothing on disk depends on it, and the attempts here are none.
    for destination in config.destinations.values_mut() {
        destination.concurrency = options.in_flight;
    }
    config
}

async fn fill(options: &Options) {
    let config = configuration(options);
    let places = options.places();
    let permits = Arc::new(Semaphore::new(usize::try_from(places).unwrap()));
    let filling = Filling::start(&config, permits.clone(), options.outcome()).await;
    let mut events = Events::new(options, &config, &filling.configured);
    let mut bytes = 0;
    for number in 1..=options.events {
        permits.acquire().await.unwrap().forget();
        let (arrival, body) = events.event(number);
        bytes += body.len();
        let (handle, permits) = (filling.handle.clone(), permits.clone());
        let waits = options.outcome() != ANSWERED;
        // One thread runs these tasks in the order they were made.
        tokio::spawn(async move {
            let answer = handle.receive(arrival, body).await;
            // Where few keys have many events, one may find room at the node before the one before it that waits
            // for room; it is released a moment later.
            let taken = [Status::Released, Status::Held];
            if !matches!(answer, Answer::Event { status, .. } if taken.contains(&status)) {
                eprintln!("event {number} was answered {answer:?}");
                std::process::exit(1);
            }
            if waits {
                permits.add_permits(1);
            }
        });
    }
    drop(permits.acquire_many(places).await.unwrap());
    filling.stop().await;
    println!("{{\"events\":{},\"body_bytes\":{bytes}}}", options.events);
}
