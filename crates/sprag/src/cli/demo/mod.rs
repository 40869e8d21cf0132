//! `sprag demo`: the whole story in one process.
//!
//! | file | what |
//! |---|---|
//! | `setting` | the data directory, the secrets and the configuration the gateway is started with |
//! | `ledger` | what the provider was promised and what the consumer got, event by event |
//! | `api` | the provider's API, for what is missing |
//! | `contracts` | a source of each other contract, with a few events in the wrong order |
//! | `story` | provider, gateway and consumer from start to end |
//! | `report` | the figures, as a table or as JSON |

mod api;
mod contracts;
mod ledger;
mod report;
mod setting;
mod story;

use super::log::LogArguments;
use super::signal::Signals;
use super::words::say;
use super::{Failure, Verdict, block_on};
use crate::descriptors;
use crate::provider::limits;
use clap::Args;
use report::Report;
use std::io::{IsTerminal, stderr};
use story::Story;

/// See disorder become order: a provider that shuffles, repeats, delays and drops, Sprag, and a
/// flaky consumer, all in one process
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sprag demo --events 20000 --keys 200 --seed 7\n\n\
    Exit code: 0 nothing lost and all in order, 1 something lost or out of order, 2 could not run")]
pub(super) struct Arguments {
    /// Events that happen at the provider
    #[arg(long, value_name = "N", default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(1..=limits::EVENTS))]
    events: u64,
    /// Resources they are about
    #[arg(long, value_name = "K", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=limits::KEYS))]
    keys: u64,
    /// What events and disorder are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Leave Sprag running until Ctrl-C
    #[arg(long)]
    stay: bool,
    #[command(flatten)]
    log: LogArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<Verdict, Failure> {
    arguments.log.start("error")?;
    // Its provider, gateway and consumer have both ends of each connection; with fewer it is slower.
    let _ = descriptors::raise_limit();
    block_on(demo(arguments))
}

async fn demo(arguments: Arguments) -> Result<Verdict, Failure> {
    let mut signals = Signals::listen()?;
    let story = Story::begin(&arguments).await?;
    let report = tokio::select! {
        report = story.tell(stderr().is_terminal()) => report?,
        // The data directory goes with the story.
        () = signals.wait() => return Err(Failure::new("interrupted")),
    };
    say_report(&report, arguments.json);
    if arguments.stay {
        story.say_addresses();
        signals.wait().await;
    }
    signals.end_at_once();
    story.end().await;
    Ok(Verdict::found_if(report.has_found()))
}

fn say_report(report: &Report, json: bool) {
    if json {
        say(report.to_json());
    } else {
        say(report);
    }
    report.troubles().iter().for_each(|trouble| eprintln!("sprag: {trouble}"));
}
