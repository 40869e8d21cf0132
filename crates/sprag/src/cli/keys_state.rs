//! `sprag keys state`: where a key stands, and its newest event.

use super::admin::AdminArguments;
use super::admin::key::Name;
use super::admin::table::member;
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::Value;

/// Tell where a key stands: its newest sequence, position, merged document and event with the body
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag keys state billing:cus_42\n  \
    sprag keys state billing:cus_42 --json | jq -r .last.body\n\n\
    Exit code: 0 told, 1 the body of its newest event is kept no longer, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// SOURCE:KEY, the key as Sprag prints it
    #[arg(value_name = "KEY")]
    key: Name,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let shown = block_on(async {
        match arguments.key.clone().complete(&mut client).await? {
            Name::Key(key) => Ok(client.get(&key.state_path()).await?),
            _ => Err(Failure::new("that is an event; `sprag explain` tells of it")),
        }
    })?;
    let is_gone = shown["last"]["gone"] == Value::Bool(true);
    if arguments.json {
        say(&shown);
    } else {
        tell(&shown);
    }
    Ok(Verdict::found_if(is_gone))
}

/// The merged document, and of which fields there is no value.
fn tell_merged(merged: &Value) {
    let Some(document) = merged.get("document") else { return };
    say(format!("Merged: {document}"));
    for (name, why) in merged["without"].as_object().into_iter().flatten() {
        say(format!("  {name}: no value ({})", why.as_str().unwrap_or_default()));
    }
}

fn tell(shown: &Value) {
    let [source, key, sequence, position, hash] =
        ["source", "key", "sequence", "position", "hash"].map(|name| member(shown, name));
    let at = if position.is_empty() { String::new() } else { format!(" at position {position}") };
    say(format!("{source}:{key}: sequence {sequence}{at}, hash {hash}"));
    tell_merged(&shown["merged"]);
    let last = &shown["last"];
    if last.is_null() {
        say("None of its events was released in order yet.");
        return;
    }
    let [id, sequence, event_type, size] =
        ["id", "sequence", "type", "size"].map(|name| member(last, name));
    let is_gone = last["gone"] == Value::Bool(true);
    if id.is_empty() {
        say(format!("History of event {sequence} is kept no longer."));
    } else if is_gone {
        say(format!("Event {sequence} ({id}) {event_type}: its body is kept no longer."));
    } else {
        say(format!("Event {sequence} ({id}) {event_type}, {size} bytes:"));
        match last["body"].as_str() {
            Some(body) => say(body),
            None => say(format!("{} (Base64)", member(last, "body_base64"))),
        }
    }
}
