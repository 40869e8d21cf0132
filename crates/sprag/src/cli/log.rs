//! What a running command tells about itself, on standard error.

use super::Failure;
use clap::{Args, ValueEnum};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Args)]
pub(super) struct LogArguments {
    /// How the log on standard error is written: a line, or a JSON object, for each thing
    #[arg(
        long = "log",
        visible_alias = "log-format",
        env = "SPRAG_LOG_FORMAT",
        value_enum,
        value_name = "FORM",
        default_value = "human"
    )]
    form: Form,
    /// What is logged: a level, or levels by module such as `info,sprag::dispatch=debug`
    #[arg(long, env = "SPRAG_LOG_LEVEL", value_name = "FILTER")]
    log_level: Option<String>,
}

impl LogArguments {
    /// From now on everything is logged as asked, or else at this level.
    pub(super) fn start(&self, level: &str) -> Result<(), Failure> {
        let filter = self.log_level.as_deref().unwrap_or(level);
        let filter = EnvFilter::try_new(filter)
            .map_err(|error| Failure::new(format!("--log-level {filter:?}: {error}")))?;
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
        let started = match self.form {
            Form::Human => subscriber.with_ansi(stderr().is_terminal()).try_init(),
            Form::Json => subscriber.json().try_init(),
        };
        started.map_err(Failure::new)
    }
}
