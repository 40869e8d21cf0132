//! `sprag override`: what an operator decides against the rules, with a line of history each.

use super::admin::AdminArguments;
use super::admin::key::KeyName;
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Decide against the rules: rebase, pause or resume a key
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag override rebase billing:cus_42\n  \
    sprag override pause-key billing:cus_42\n  \
    sprag override resume-key billing:cus_42\n\n\
    Exit code: 0 done and durable, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let the positions of a key begin anew: what it holds is released in order, what is missing
    /// is given up
    Rebase {
        /// The key: SOURCE:KEY
        key: KeyName,
    },
    /// Stop the lanes of a key
    PauseKey {
        /// The key: SOURCE:KEY
        key: KeyName,
    },
    /// Let them go on
    ResumeKey {
        /// The key: SOURCE:KEY
        key: KeyName,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let (path, body, done) = match &arguments.action {
        Action::Rebase { key } => {
            let body = json!({"override": "rebase", "source": key.source, "key": key.key});
            ("/v1/overrides".to_owned(), body, format!("{key}: its positions begin anew."))
        }
        Action::PauseKey { key } => {
            (format!("{}/pause", key.path()), Value::Null, format!("{key} is paused."))
        }
        Action::ResumeKey { key } => {
            (format!("{}/resume", key.path()), Value::Null, format!("{key} is resumed."))
        }
    };
    block_on(async {
        client.post(&path, &body).await?;
        say(done);
        Ok(Verdict::Fine)
    })
}
