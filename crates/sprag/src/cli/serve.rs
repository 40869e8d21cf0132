//! `sprag serve`: the gateway.

use super::log::LogArguments;
use super::signal::Signals;
use super::words::say;
use super::{Failure, Verdict, block_on, configuration};
use crate::config::Config;
use crate::serve::{self, Running};
use clap::Args;
use std::path::PathBuf;

/// Run the gateway
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    BILLING_SECRET=whsec_… APP_SECRET=whsec_… sprag serve --config sprag.toml\n\n\
    Prints where it listens on standard output, logs on standard error. SIGTERM or SIGINT stops\n\
    it gracefully, a second one at once.\n\
    Exit code: 0 stopped, 2 could not start")]
pub(super) struct Arguments {
    /// The configuration [default: sprag.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: LogArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<Verdict, Failure> {
    let checked = configuration::load(arguments.config)?;
    arguments.log.start("info")?;
    checked.warnings.iter().for_each(|finding| tracing::warn!("{finding}"));
    block_on(serve(checked.config))
}

async fn serve(config: Config) -> Result<Verdict, Failure> {
    let mut signals = Signals::listen()?;
    let mut running = tokio::select! {
        started = serve::start(config) => started.map_err(Failure::new)?,
        // Nothing was taken yet, so nothing needs to be brought to an end.
        () = signals.wait() => return Ok(Verdict::Fine),
    };
    say_addresses(&running);
    tokio::select! {
        () = signals.wait() => {}
        () = running.ended() => return Err(Failure::new("the node ended by a fault of its own")),
    }
    tracing::info!("stopping; a second signal ends at once");
    signals.end_at_once();
    running.stop().await;
    Ok(Verdict::Fine)
}

fn say_addresses(running: &Running) {
    say(format!("listen http://{}/in/SOURCE", running.listen));
    say(format!("admin  http://{}", running.admin));
    if let Some(token) = &running.made_token {
        say(format!("token  {token}"));
    }
}
