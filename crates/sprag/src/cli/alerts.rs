//! `sprag alerts`: what an operator should look at now.

use super::admin::AdminArguments;
use super::admin::table::{member, moment};
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::Value;

/// Tell what needs an operator now, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sprag alerts\n\n\
    Exit code: 0 nothing, 1 something, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let page = block_on(async { Ok(client.get("/v1/alerts").await?) })?;
    let alerts = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if arguments.json {
        say(&page["items"]);
    } else if alerts.is_empty() {
        say("Nothing needs you.");
    } else {
        alerts.iter().for_each(print);
    }
    Ok(Verdict::found_if(!alerts.is_empty()))
}

fn print(alert: &Value) {
    let about = match (&alert["key"], &alert["destination"]) {
        (Value::String(key), _) => format!(" {}:{key}", member(alert, "source")),
        (_, Value::String(destination)) => format!(" {destination}"),
        _ => String::new(),
    };
    let since = match moment(alert, "since") {
        since if since.is_empty() => since,
        since => format!(" (since {since})"),
    };
    say(format!("{}{about}: {}{since}", member(alert, "alert"), member(alert, "text")));
    say(format!("  {}", member(alert, "remedy")));
}
