//! `sprag sources`: what events come from.

use super::admin::AdminArguments;
use super::admin::table::{Rows, member};
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::Value;

/// List sources and what they hold
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sprag sources\n\n\
    Exit code: 0 fine, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let page = block_on(async { Ok(client.get("/v1/sources").await?) })?;
    if arguments.json {
        say(&page["items"]);
        return Ok(Verdict::Fine);
    }
    let mut rows = Rows::new(&["source", "held events", "keys with gaps", "configured"]);
    for source in page["items"].as_array().into_iter().flatten() {
        let [name, held, gaps] =
            ["name", "held_events", "gaps_open"].map(|name| member(source, name));
        let configured = if source["configured"] == Value::Bool(true) { "yes" } else { "no" };
        rows.add(&[name, held, gaps, configured.to_owned()]);
    }
    say(rows.text());
    Ok(Verdict::Fine)
}
