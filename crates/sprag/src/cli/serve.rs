//! `sprag serve`: the gateway.

use super::log::LogArguments;
use super::signal::{Hangup, Signals};
use super::words::say;
use super::{Failure, Verdict, block_on, configuration};
use crate::config::{Config, Finding, Severity};
use crate::descriptors;
use crate::serve::{self, Running};
use clap::Args;
use std::path::{Path, PathBuf};

/// Run the gateway
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    BILLING_SECRET=whsec_… APP_SECRET=whsec_… sprag serve --config sprag.toml\n\n\
    Prints where it listens on standard output, logs on standard error. SIGTERM or SIGINT stops\n\
    it gracefully, a second one at once. SIGHUP has it read the configuration again: it is checked\n\
    as `sprag check` does, and put in force without a restart, or refused and nothing changes.\n\
    Exit code: 0 stopped, 2 could not start")]
pub(super) struct Arguments {
    /// The configuration [default: sprag.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: LogArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<Verdict, Failure> {
    let path = arguments.config.unwrap_or_else(|| configuration::DEFAULT.into());
    let checked = configuration::load(Some(path.clone()))?;
    arguments.log.start("info")?;
    raise_open_files(checked.config.limits.connections);
    checked.warnings.iter().for_each(|finding| tracing::warn!("{finding}"));
    block_on(serve(checked.config, path))
}

/// Lets the process have as many files open as it may, and says how many.
fn raise_open_files(connections: u32) {
    match descriptors::raise_limit() {
        Ok(Some(most)) if most <= u64::from(connections) => tracing::warn!(
            "open files: at most {most}, fewer than limits.connections = {connections}; raise the \
             hard limit (ulimit -Hn, LimitNOFILE=) or lower limits.connections"
        ),
        Ok(Some(most)) => tracing::info!("open files: at most {most}"),
        Ok(None) => tracing::info!("open files: no limit"),
        Err(error) => tracing::warn!("open files: the limit cannot be raised: {error}"),
    }
}

async fn serve(config: Config, path: PathBuf) -> Result<Verdict, Failure> {
    let (mut signals, mut hangup) = (Signals::listen()?, Hangup::listen()?);
    let mut running = tokio::select! {
        started = serve::start(config) => started.map_err(Failure::new)?,
        // Nothing was taken yet, so nothing needs to be brought to an end; what reads the disk may take its time.
        () = signals.wait() => {
            signals.end_at_once();
            return Ok(Verdict::Fine);
        }
    };
    say_addresses(&running);
    loop {
        tokio::select! {
            () = signals.wait() => break,
            why = running.fails() => return Err(Failure::new(why)),
            // It may wait for a disk; a signal does not wait for it.
            () = hangup.wait() => tokio::select! {
                () = reload(&mut running, &path) => {}
                () = signals.wait() => break,
            },
        }
    }
    tracing::info!("stopping; a second signal ends at once");
    signals.end_at_once();
    running.stop().await;
    Ok(Verdict::Fine)
}

/// Reads the configuration again, and says what became of it.
async fn reload(running: &mut Running, path: &Path) {
    let file = path.display().to_string();
    let unreadable = |failure: Failure| {
        let (severity, key, reason) = (Severity::Error, String::new(), failure.0);
        vec![Finding { severity, file: file.clone(), line: 0, key, reason }]
    };
    let outcome = match configuration::text(path).map_err(unreadable) {
        Ok(text) => running.reload(&text, &file).await,
        Err(findings) => Err(running.refuse_reload(findings)),
    };
    match outcome {
        Ok(reloaded) => {
            reloaded.warnings.iter().for_each(|finding| tracing::warn!("{finding}"));
            let changes = match &reloaded.changes[..] {
                [] => "nothing changed".to_owned(),
                changes => changes.join(", "),
            };
            tracing::info!("reloaded: revision {} is in force; {changes}", reloaded.revision.0);
        }
        Err(findings) => {
            findings.iter().for_each(|finding| tracing::error!("{finding}"));
            tracing::error!("the reload is refused: the configuration in force stays as it is");
        }
    }
}

fn say_addresses(running: &Running) {
    say(format!("listen http://{}/in/SOURCE", running.listen));
    say(format!("admin  http://{}", running.admin));
    if let Some(token) = &running.made_token {
        say(format!("token  {token}"));
    }
}
