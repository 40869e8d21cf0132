//! `sprag destinations`: where events go; pause and resume.

use super::admin::AdminArguments;
use super::admin::client::{Client, escaped};
use super::admin::table::{Rows, member};
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::{Args, Subcommand};
use serde_json::Value;

/// List destinations; pause and resume one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag destinations\n  \
    sprag destinations pause app\n  \
    sprag destinations resume app\n\n\
    Exit code: 0 fine, 1 a destination is paused or its breaker is open, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    #[command(subcommand)]
    action: Option<Action>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Stop attempts; those under way end, events that come in wait
    #[command(after_help = "Example:\n  sprag destinations pause app")]
    Pause {
        /// The destination
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Let attempts go on
    #[command(after_help = "Example:\n  sprag destinations resume app")]
    Resume {
        /// The destination
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    block_on(async {
        let (name, verb, done) = match &arguments.action {
            None => return list(&mut client, arguments.json).await,
            Some(Action::Pause { name }) => (name, "pause", "paused"),
            Some(Action::Resume { name }) => (name, "resume", "resumed"),
        };
        let path = format!("/v1/destinations/{}/{verb}", escaped(name));
        client.post(&path, &Value::Null).await?;
        say(format!("{name} is {done}."));
        Ok(Verdict::Fine)
    })
}

async fn list(client: &mut Client, json: bool) -> Result<Verdict, Failure> {
    let page = client.get("/v1/destinations").await?;
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if json {
        say(&page["items"]);
    } else {
        let mut rows = Rows::new(&["destination", "state", "in flight", "waiting lanes"]);
        for item in items {
            let [name, in_flight, waiting] =
                ["name", "in_flight", "waiting"].map(|name| member(item, name));
            rows.add(&[name, state(item).to_owned(), in_flight, waiting]);
        }
        say(rows.text());
    }
    Ok(Verdict::found_if(items.iter().any(|item| {
        [&item["paused"], &item["breaker_open"]].into_iter().any(|is| *is == Value::Bool(true))
    })))
}

fn state(item: &Value) -> &'static str {
    match (&item["paused"], &item["breaker_open"], &item["configured"]) {
        (Value::Bool(true), ..) => "paused",
        (_, Value::Bool(true), _) => "breaker open",
        (_, _, Value::Bool(false)) => "not configured",
        _ => "delivers",
    }
}
