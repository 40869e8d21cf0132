//! `sprag override`: what an operator decides against the rules, with a line of history each; and what
//! was decided.

use super::admin::AdminArguments;
use super::admin::client::Client;
use super::admin::key::KeyName;
use super::admin::page::{ListArguments, list, query};
use super::admin::selector;
use super::admin::table::{Rows, member, moment};
use super::words::{say, say_more};
use super::{Failure, Verdict, block_on};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::cmp::Reverse;

/// Decide against the rules: give up what a key waits for, rebase, pause or resume a key; list what was decided
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag override give-up-gap billing:cus_42\n  \
    sprag override rebase billing:cus_42\n  \
    sprag override pause-key billing:cus_42\n  \
    sprag override resume-key billing:cus_42\n  \
    sprag override list --since 2d\n  \
    sprag override list billing:cus_42\n\n\
    Exit code: 0 done and durable, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give the positions up that a key waits for: it goes on behind them, and what comes after all is late. Where several
    /// gaps stand one behind the other it is the first
    GiveUpGap {
        /// The key: SOURCE:KEY
        key: KeyName,
    },
    /// Let the positions of a key begin anew, where its source does: what it holds is released in order, what is missing
    /// is given up, and the next event may have any position
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
    /// List what operators decided, redrives, drops and pauses too, the newest first
    List {
        /// Of this key only: SOURCE:KEY
        key: Option<KeyName>,
        /// At this time or later: 2h ago, or 2026-11-25T21:35:00Z. History is searched from there on
        #[arg(long, value_name = "TIME", default_value = "7d")]
        since: String,
        #[command(flatten)]
        list: ListArguments,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let (path, body, done) = match &arguments.action {
        Action::List { key, since, list } => {
            return block_on(show(&mut client, key.as_ref(), since, list));
        }
        Action::GiveUpGap { key } => return block_on(give_up_gap(&mut client, key)),
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

/// Gives up what the key waits for when it is looked at. Asked for another gap, the gateway would give up nothing.
async fn give_up_gap(client: &mut Client, key: &KeyName) -> Result<Verdict, Failure> {
    let known = client.get(&key.path()).await?;
    let (from, to) = (&known["gap"]["from"], &known["gap"]["to"]);
    // That there is none is for the gateway to say.
    let from = from.as_u64().unwrap_or_default();
    let body =
        json!({"override": "give-up-gap", "source": key.source, "key": key.key, "from": from});
    client.post("/v1/overrides", &body).await?;
    let to = to.as_u64().filter(|to| *to > from).map_or_else(String::new, |to| format!("-{to}"));
    say(format!("{key} goes on behind {from}{to}, which is given up."));
    Ok(Verdict::Fine)
}

/// All that was decided since a time, of which the newest are shown.
async fn show(
    client: &mut Client,
    key: Option<&KeyName>,
    since: &str,
    arguments: &ListArguments,
) -> Result<Verdict, Failure> {
    let since = selector::moment(since)?;
    let parameters = [
        ("source", key.map(|key| key.source.as_str())),
        ("key", key.map(|key| key.key.as_str())),
        ("since", Some(since.as_str())),
    ];
    let path = format!("/v1/overrides{}", query(&parameters));
    // They come partition by partition.
    let mut items = list(client, &path, usize::MAX).await?.items;
    items.reverse();
    items.sort_by_key(|item| Reverse(member(item, "at").parse::<jiff::Timestamp>().ok()));
    let more = items.len() > arguments.most();
    items.truncate(arguments.most());
    if arguments.json {
        say(json!(items));
        return Ok(Verdict::Fine);
    }
    let mut rows = Rows::new(&["at", "override", "key", "to", "event"]);
    for item in &items {
        let [kind, source, key, to] =
            ["override", "source", "key", "destination"].map(|name| member(item, name));
        let about = if key.is_empty() { source } else { format!("{source}:{key}") };
        let event = [member(item, "sequence"), member(item, "event")].concat();
        rows.add(&[moment(item, "at"), kind, about, to, event]);
    }
    say(rows.text());
    say_more(more);
    Ok(Verdict::Fine)
}
