//! `sprag top`: what a running Sprag does at this moment, again and again.
//!
//! | file | what |
//! |---|---|
//! | `scrape` | the metrics of one moment, as `/metrics` gives them |
//! | `picture` | what two moments say together: rates, latencies, what waits |
//! | `print` | a picture as lines |

mod picture;
mod print;
mod scrape;

use super::admin::AdminArguments;
use super::signal::Signals;
use super::words::say;
use super::{Failure, Verdict, block_on};
use crate::clock::Clock;
use crate::config::units;
use clap::Args;
use picture::Picture;
use scrape::Scrape;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

/// From the upper left corner, on an empty screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Watch a running Sprag: throughput, latency, what lanes wait for, partitions
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag top\n  \
    sprag top --every 5s\n  \
    sprag top --once --json\n\n\
    Everything is of the time between two looks; the figures are those of /metrics. Ends with Ctrl-C.\n\
    Exit code: 0 fine, 1 a partition does not serve or a breaker is open (--once), 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// The time between two looks
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    every: Duration,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// Partitions that are shown: those whose next event has waited longest
    #[arg(long, value_name = "N", default_value_t = 8)]
    partitions: usize,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// Counts of the node are half a second old: looks closer together would see none between them.
fn interval(text: &str) -> Result<Duration, String> {
    let every = units::duration(text).map_err(|problem| problem.to_string())?;
    let fits = (Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&every);
    if fits { Ok(every) } else { Err("is 1s to 1h".to_owned()) }
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            verdict = watch(arguments) => verdict,
            () = signals.wait() => Ok(Verdict::Fine),
        }
    })
}

async fn watch(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let clock = Clock::start();
    let mut before = (Scrape::read(&client.text("/metrics").await?), clock.now().elapsed);
    loop {
        tokio::time::sleep(arguments.every).await;
        let now = (Scrape::read(&client.text("/metrics").await?), clock.now().elapsed);
        let picture = Picture::between(&before.0, &now.0, now.1.since(before.1));
        show(&picture, arguments)?;
        if arguments.once {
            return Ok(Verdict::found_if(picture.has_found()));
        }
        before = now;
    }
}

fn show(picture: &Picture, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.json {
        say(serde_json::to_string(picture).map_err(Failure::new)?);
        return Ok(());
    }
    let text = print::lines(picture, arguments.partitions);
    match (arguments.once, stdout().is_terminal()) {
        (true, _) => say(text),
        (false, true) => say(format!("{CLEAR}{text}")),
        (false, false) => say(format!("{text}\n")),
    }
    Ok(())
}
