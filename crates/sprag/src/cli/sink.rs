//! `sprag sink`: a consumer that checks every delivery.

use super::secret::SecretArgument;
use super::signal::Signals;
use super::words::say;
use super::{Failure, Verdict, block_on};
use crate::clock::Clock;
use crate::config::units;
use crate::secret::Secret;
use crate::share::Share;
use crate::sink::{self, Faults, Inspector, Settings, Violation, Watch};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// Run a consumer that names every order violation, loss and repeat
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    sprag sink --listen 127.0.0.1:3000 --secret env:APP_SECRET --fail 0.05\n\n\
    One line per violation on standard output; the summary at the end (SIGINT) and at\n\
    GET /summary. Without a secret no signature is checked.\n\
    Exit code: 0 no violation, 1 some, 2 could not run")]
pub(super) struct Arguments {
    /// Where deliveries are taken, on any path
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// A secret of the destination: whsec_…, env:NAME or file:PATH; may be given again
    #[arg(long, value_name = "SECRET")]
    secret: Vec<SecretArgument>,
    /// Every key must begin at its first event: the sink was there from the start
    #[arg(long)]
    from_first: bool,
    /// Answer this fraction of attempts with 500
    #[arg(long, value_name = "FRACTION", default_value = "0")]
    fail: Share,
    /// Act upon this fraction of attempts and close the connection without an answer
    #[arg(long, value_name = "FRACTION", default_value = "0")]
    silent: Share,
    /// Answer only after this time, such as 20ms
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0ms")]
    delay: Duration,
    /// Delay only this fraction of attempts
    #[arg(long, value_name = "FRACTION", default_value = "1")]
    slow: Share,
    /// What the draws of failing attempts begin with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print violations and the summary as JSON, one object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|problem| problem.to_string())
}

pub(super) fn run(arguments: Arguments) -> Result<Verdict, Failure> {
    let json = arguments.json;
    let settings = settings(arguments)?;
    block_on(sink(settings, json))
}

fn settings(arguments: Arguments) -> Result<Settings, Failure> {
    let secrets: Vec<Secret> = arguments.secret.into_iter().map(|secret| secret.0).collect();
    let inspector =
        Inspector::new(&secrets).map_err(|problem| Failure::new(format!("--secret: {problem}")))?;
    let slow = if arguments.delay.is_zero() { Share::NONE } else { arguments.slow };
    Ok(Settings {
        listen: arguments.listen,
        inspector,
        from_first: arguments.from_first,
        faults: Faults {
            fail: arguments.fail,
            silent: arguments.silent,
            slow,
            delay: arguments.delay,
            seed: arguments.seed,
        },
    })
}

async fn sink(settings: Settings, json: bool) -> Result<Verdict, Failure> {
    let mut signals = Signals::listen()?;
    let listen = settings.listen;
    let running = sink::start(settings, Clock::start(), Printer { json }).await;
    let running = running.map_err(|error| Failure::new(format!("{listen}: {error}")))?;
    eprintln!("listen http://{}", running.address);
    signals.wait().await;
    signals.end_at_once();
    let summary = running.stop().await;
    if json {
        say(summary.to_json());
    } else {
        say(&summary);
    }
    Ok(Verdict::found_if(summary.violations() > 0))
}

/// Says what is wrong as it happens.
struct Printer {
    json: bool,
}

impl Watch for Printer {
    fn violation(&self, violation: &Violation) {
        if self.json {
            say(violation.to_json());
        } else {
            say(violation);
        }
    }
}
